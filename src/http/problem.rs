//! What went wrong, as `application/problem+json` (RFC 9457). This file is the one table from every error of the
//! program to the status and the stable `code` a client sees.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::operations;

/// The media type of every answer that is a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// Seconds after which a client that was told "busy" may ask again.
const RETRY_AFTER_S: &str = "1";

/// A problem, as RFC 9457 writes it. `type` is absent, which stands for `about:blank`: `code` tells problems apart.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// What the status means.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The stable name of this problem, for programs.
    pub code: &'static str,
    /// What went wrong here, for people.
    pub detail: String,
    /// The fields at fault, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
    /// A header that belongs to the status: `Allow`, `Retry-After`, `WWW-Authenticate`.
    #[serde(skip)]
    header: Option<Box<(HeaderName, String)>>,
}

/// What is wrong with one field of a body, of a query or of the headers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field.
    pub field: String,
    /// What is wrong with it, for people.
    pub detail: String,
}

impl Problem {
    /// A problem without fields.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            errors: Vec::new(),
            header: None,
        }
    }

    /// 400: the request cannot be read; names the field where it is known.
    pub fn malformed(code: &'static str, field: Option<&str>, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail).at(field)
    }

    /// 401: no key, or none that we know. Which of the two is not told.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "key", detail)
            .with(header::WWW_AUTHENTICATE, "Bearer realm=\"wattgate\"".to_owned())
    }

    /// 403: the key is good, but not for this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: there is no such thing, or none that this key may see.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    /// 405: the address exists, the method does not.
    pub fn method_not_allowed(allowed: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", format!("this address answers to {allowed}"))
            .with(header::ALLOW, allowed)
    }

    /// 413: the body is longer than the settings allow.
    pub fn too_large(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("a body may have at most {most} bytes"))
    }

    /// 415: the body is not JSON.
    pub fn media_type(wanted: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", format!("the body must be {wanted}"))
    }

    /// 503: ask again.
    fn unavailable(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with(header::RETRY_AFTER, RETRY_AFTER_S.to_owned())
    }

    /// 500: a defect of ours.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the head end failed; its log says why")
    }

    /// This problem, with the fields of another one beside its own.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.errors.extend(other.errors);
        self
    }

    fn at(mut self, field: Option<&str>) -> Self {
        let detail = self.detail.clone();
        self.errors.extend(field.map(|field| FieldProblem { field: field.to_owned(), detail }));
        self
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }
}

impl From<operations::Error> for Problem {
    fn from(error: operations::Error) -> Self {
        match error {
            operations::Error::NotFound(what) => Self::not_found(what),
            operations::Error::Conflict { code, detail } => Self::new(StatusCode::CONFLICT, code, detail),
            operations::Error::Refused { code, detail, field } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).at(field.as_deref())
            }
            operations::Error::Many { code, ref fields } => {
                let problem =
                    |at: &operations::FieldError| FieldProblem { field: at.field.clone(), detail: at.detail.clone() };
                let errors = fields.iter().map(problem).collect();
                Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string()) }
            }
            operations::Error::Busy => Self::unavailable("busy", "too much is waiting, ask again"),
            operations::Error::Store(store::Error::Database(error)) => {
                tracing::error!(%error, "the database failed");
                Self::unavailable("database", "the database does not answer; ask again with the same Idempotency-Key")
            }
            operations::Error::Store(error) => {
                tracing::error!(%error, "the store failed");
                Self::internal()
            }
            operations::Error::Hot(error) => {
                tracing::error!(%error, "the hot balances failed");
                Self::unavailable("hot_balances", "the hot balances do not answer, ask again")
            }
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        operations::Error::from(error).into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some((name, value)) = self.header.as_deref() {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.content_type(MEDIA_TYPE).body(serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use actix_web::body;

    use super::*;
    use crate::operations::Error;

    async fn shown(problem: impl Into<Problem>) -> (u16, serde_json::Value, actix_web::http::header::HeaderMap) {
        let response = problem.into().error_response();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let json = serde_json::from_slice(&body::to_bytes(response.into_body()).await.unwrap()).unwrap();
        (status, json, headers)
    }

    #[actix_web::test]
    async fn every_error_of_an_operation_has_its_status() {
        for (error, status, code) in [
            (Error::NotFound("meter"), 404, "not_found"),
            (Error::conflict("idempotency_key", "used for something else"), 409, "idempotency_key"),
            (Error::refused("minimum_vend", "too little"), 422, "minimum_vend"),
            (Error::Busy, 503, "busy"),
        ] {
            let (shown_status, json, headers) = shown(error).await;
            assert_eq!((shown_status, json["code"].as_str()), (status, Some(code)));
            assert_eq!(json["status"], status);
            assert_eq!(headers.get("content-type").unwrap(), MEDIA_TYPE);
            assert_eq!(headers.contains_key("retry-after"), status == 503);
        }
    }

    #[actix_web::test]
    async fn a_refusal_names_its_field() {
        let (_, json, _) = shown(Error::field("currency", "currency", "must be CNY")).await;
        assert_eq!(json["errors"], serde_json::json!([{ "field": "currency", "detail": "must be CNY" }]));
    }

    #[actix_web::test]
    async fn a_failure_of_the_database_shows_nothing_of_its_inside() {
        let (status, json, headers) = shown(store::Error::Database("relation accounts is gone".to_owned())).await;
        assert_eq!((status, json["code"].as_str()), (503, Some("database")));
        assert!(!json.to_string().contains("accounts"));
        assert!(headers.contains_key("retry-after"));
    }

    #[actix_web::test]
    async fn a_missing_key_says_how_to_bring_one() {
        let (status, _, headers) = shown(Problem::unauthenticated("no key")).await;
        assert_eq!(status, 401);
        assert_eq!(headers.get("www-authenticate").unwrap(), "Bearer realm=\"wattgate\"");
    }
}
