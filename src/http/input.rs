//! What a request brings: body, query, the thing its path names, and its headers; each refused with the field at fault.

use std::{
    future::{Ready, ready},
    str::FromStr,
    time::Duration,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, error::QueryPayloadError, http::header, web};
use domain::{
    ids::{
        AccountId, AlarmId, BatchCreditId, BuildingId, ConcentratorId, CustomerId, JobId, MeterId, NoticeId,
        OrderGroupId, OrderId, OutageId, PaymentId, ReadRequestId, ReadingId, RefundId, ScheduleId, SelectionId,
        ShiftId, SiteId, TariffId, TerminalId, VendId, VendorId,
    },
    notice::Language,
};
use futures_util::future::LocalBoxFuture;
use jiff::SignedDuration;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use utoipa::{
    IntoParams,
    openapi::{
        Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
    },
};

use super::{auth::Caller, problem::Problem};
use crate::{app::App, operations::once};

/// The header that makes a repeated POST harmless.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// NUL as JSON writes it. PostgreSQL keeps no text with it, so none is let in.
const ESCAPED_NUL: &[u8] = br"\u0000";

/// A JSON body. Unknown fields are refused by the type itself.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_whole(request, payload, "application/json");
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.windows(ESCAPED_NUL.len()).any(|part| part == ESCAPED_NUL) {
                return Err(Problem::malformed("body", None, "a text may not contain the character NUL"));
            }
            read_json(&bytes).map(Self)
        })
    }
}

/// The body, if it comes in time, is not too long and is of this kind.
pub(super) fn read_whole(
    request: &HttpRequest,
    payload: &mut Payload,
    media_type: &'static str,
) -> impl Future<Output = Result<web::Bytes, Problem>> + use<> {
    let app = request.app_data::<web::Data<App>>().cloned().filter(|_| is_of(request, media_type));
    let bytes = web::Bytes::from_request(request, payload);
    async move {
        let Some(app) = app else { return Err(Problem::media_type(media_type)) };
        let settings = &app.settings.http;
        let late = |_| Problem::malformed("body_late", None, "the body did not arrive in time");
        let read = tokio::time::timeout(Duration::from_secs(settings.request_s), bytes).await.map_err(late)?;
        read.map_err(|error| match error.as_response_error().status_code().as_u16() {
            413 => Problem::too_large(settings.body_bytes),
            _ => Problem::malformed("body", None, "the body did not arrive whole"),
        })
    }
}

fn is_of(request: &HttpRequest, media_type: &str) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.split(';').next()).is_some_and(|media| media.trim().eq_ignore_ascii_case(media_type))
}

/// Where serde found what it refuses: the path to it, and the field that its message names there.
fn field_at(error: &serde_path_to_error::Error<serde_json::Error>) -> Option<String> {
    let (path, message) = (error.path().to_string(), error.inner().to_string());
    let parent = if path == "." { "" } else { path.as_str() };
    match named_field(&message) {
        Some(named) if parent.is_empty() || parent == named => Some(named.to_owned()),
        // An unknown field stands at the end of its path already, a missing one does not.
        Some(named) if parent.ends_with(&format!(".{named}")) => Some(parent.to_owned()),
        Some(named) => Some(format!("{parent}.{named}")),
        None => (!parent.is_empty()).then(|| parent.to_owned()),
    }
}

/// The field that serde itself names in its message.
fn named_field(message: &str) -> Option<&str> {
    let (_, rest) = message
        .split_once("unknown field `")
        .or_else(|| message.split_once("missing field `"))
        .or_else(|| message.split_once("duplicate field `"))?;
    rest.split_once('`').map(|(field, _)| field)
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let refused = |error: serde_path_to_error::Error<serde_json::Error>| {
        // A word of a fixed list that is none at all, such as null, counts as bad syntax to serde.
        let at_fault = error.inner().is_data() || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        let field = field_at(&error).filter(|_| at_fault);
        Problem::malformed("body", field.as_deref(), error.inner().to_string())
    };
    let read = serde_path_to_error::deserialize(&mut json).map_err(refused)?;
    json.end().map_err(|error| Problem::malformed("body", None, error.to_string()))?;
    Ok(read)
}

/// The query string. Unknown parameters are refused by the type itself.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = request.query_string();
        if query.contains("%00") {
            return ready(Err(Problem::malformed("query", None, "a text may not contain the character NUL")));
        }
        ready(web::Query::<T>::from_query(query).map(|query| Self(query.into_inner())).map_err(|error| {
            let text = told(&error);
            // serde does not say which value it refused: it is the parameter that is refused alone as well, and not because
            // another one is missing then.
            let bad = |error: QueryPayloadError| !told(&error).contains("missing field");
            let alone = || query.split('&').find(|pair| web::Query::<T>::from_query(pair).is_err_and(bad));
            let field = named_field(&text).or_else(|| alone().and_then(|pair| pair.split('=').next()));
            Problem::malformed("query", field, text.clone())
        }))
    }
}

/// What is wrong with a query, without the library's own words before it.
fn told(error: &QueryPayloadError) -> String {
    match error {
        QueryPayloadError::Deserialize(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Something that an address names by its identifier.
pub trait Named: FromStr {
    /// What it is.
    const NOUN: &'static str;
    /// The site it belongs to.
    fn site_id(&self) -> SiteId;
}

impl Named for SiteId {
    const NOUN: &'static str = "site";
    fn site_id(&self) -> SiteId {
        *self
    }
}

macro_rules! named {
    ($($id:ident = $noun:literal),* $(,)?) => {$(
        impl Named for $id {
            const NOUN: &'static str = $noun;
            fn site_id(&self) -> SiteId {
                self.site()
            }
        }
    )*};
}

named! {
    ConcentratorId = "concentrator", MeterId = "meter", CustomerId = "customer", TariffId = "tariff",
    AccountId = "account", VendId = "vend", RefundId = "refund", BatchCreditId = "batch credit", OrderId = "relay order", ReadRequestId = "read request", ReadingId = "reading",
    JobId = "job", VendorId = "vendor", PaymentId = "payment in flight", TerminalId = "terminal", ShiftId = "shift", OutageId = "outage", OrderGroupId = "relay order group", BuildingId = "building", SelectionId = "meter selection", ScheduleId = "relay schedule",
    NoticeId = "notice", AlarmId = "alarm",
}

/// The `{id}` of the path. What belongs to a site that the key is not for does not exist for it.
pub struct At<I>(pub I);

impl<I: Named> FromRequest for At<I> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Caller::of(request).and_then(|caller| {
            let named: Option<I> = request.match_info().get("id").and_then(|text| text.parse().ok());
            let visible = named.filter(|id| caller.within(id.site_id()).is_ok());
            visible.map(Self).ok_or_else(|| Problem::not_found(I::NOUN))
        }))
    }
}

/// The `Idempotency-Key` header: 1 to 255 visible ASCII characters, chosen by the client.
pub struct IdempotencyKey(pub String);

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(once::KEY_MAX));
        let parameter = ParameterBuilder::new()
            .name(IDEMPOTENCY_KEY)
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("Chosen by the client; a repetition with the same content has the same answer"))
            .schema(Some(text));
        vec![parameter.build()]
    }
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let wrong = |code, detail: &str| Problem::malformed(code, Some(IDEMPOTENCY_KEY), detail);
        ready(match request.headers().get(IDEMPOTENCY_KEY) {
            None => Err(wrong("idempotency_key_missing", "this POST needs an Idempotency-Key header")),
            Some(value) => match value.to_str().ok().filter(|text| once::is_key(text)) {
                Some(key) => Ok(Self(key.to_owned())),
                None => Err(wrong("idempotency_key", "must be 1 to 255 visible ASCII characters")),
            },
        })
    }
}

/// The `If-Match` header of a change: the version that was seen, or none for `*`.
pub struct IfMatch(pub Option<i64>);

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let wrong = |code, detail: &str| Problem::malformed(code, Some("If-Match"), detail);
        ready(match request.headers().get(header::IF_MATCH).map(|value| value.to_str().unwrap_or_default()) {
            None => Err(wrong("if_match_missing", "this change needs the ETag that was seen, as If-Match")),
            Some("*") => Ok(Self(None)),
            Some(tag) => match tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).map(str::parse) {
                Some(Ok(version)) => Ok(Self(Some(version))),
                _ => Err(wrong("if_match", "must be an ETag of this head end, or *")),
            },
        })
    }
}

/// The `ETag` of a version, as [`IfMatch`] reads it.
#[must_use]
pub fn etag(version: i64) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// How long `?wait=10s` waits; not at all where it is absent.
///
/// # Errors
/// 400 for what is no duration, or one above the settings' limit.
pub fn wait(asked: Option<&str>, most_s: u64) -> Result<Option<Duration>, Problem> {
    let Some(asked) = asked else { return Ok(None) };
    let most = Duration::from_secs(most_s);
    let read = asked.parse::<SignedDuration>().ok().and_then(|wait| Duration::try_from(wait).ok());
    let wait = read.filter(|wait| *wait <= most).ok_or_else(|| {
        Problem::malformed("query", Some("wait"), format!("must be a duration such as 10s, at most {most_s}s"))
    })?;
    Ok(Some(wait))
}

/// In which language an answer names things.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InLanguage {
    /// Language of names: `zh` or `en`; `en` if absent.
    #[param(value_type = Option<String>)]
    language: Option<Language>,
}

impl InLanguage {
    /// The language.
    pub fn language(&self) -> Language {
        self.language.unwrap_or(Language::En)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use actix_web::{HttpMessage, test::TestRequest};
    use domain::money::{Money, Price};
    use serde::Deserialize;
    use store::api_key::Role;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Order {
        name: String,
        amount: Money,
        blocks: Option<Vec<Block>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Block {
        price: Price,
    }

    fn field_at_fault(json: &str) -> Option<String> {
        read_json::<Order>(json.as_bytes()).unwrap_err().errors.first().map(|error| error.field.clone())
    }

    #[test]
    fn a_refused_body_names_the_field_at_fault() {
        for (json, field) in [
            (r#"{"name": "a", "amount": 1, "colour": "red"}"#, Some("colour")),
            (r#"{"name": "a"}"#, Some("amount")),
            (r#"{"name": "a", "name": "b", "amount": 1}"#, Some("name")),
            (r#"{"amount": "1", "name": "a"}"#, Some("amount")),
            (r#"{"name": 7, "amount": 1}"#, Some("name")),
            ("{\"name\": \"a\",\n \"amount\": 1.5}", Some("amount")),
            (r#"{"name": "say \"x\": y", "amount": true}"#, Some("amount")),
            (
                r#"{"name": "a", "amount": 1, "blocks": [{"price": "0.1"}, {"price": "cheap"}]}"#,
                Some("blocks[1].price"),
            ),
            (r#"{"name": "a", "amount": 1, "blocks": [{}]}"#, Some("blocks[0].price")),
            (r#"{"name": "a", "amount": 1, "blocks": [{"price": "0.1", "cost": 1}]}"#, Some("blocks[0].cost")),
            (r#"{"name": "a", "amount": 1} {}"#, None),
            (r#"{"name": "a", "amount": "#, None),
            ("[]", None),
        ] {
            assert_eq!(field_at_fault(json).as_deref(), field, "{json}");
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Asked {
        limit: Option<i64>,
        cursor: Option<String>,
    }

    async fn parameter_at_fault(query: &str) -> Option<String> {
        let request = TestRequest::with_uri(&format!("/?{query}")).to_http_request();
        let problem = Query::<Asked>::extract(&request).await.err().unwrap();
        problem.errors.first().map(|error| error.field.clone())
    }

    #[actix_web::test]
    async fn a_refused_query_names_the_parameter_at_fault() {
        assert_eq!(parameter_at_fault("cursor=aa&limit=many").await.as_deref(), Some("limit"));
        assert_eq!(parameter_at_fault("colour=red").await.as_deref(), Some("colour"));
        assert_eq!(parameter_at_fault("limit=1&limit=2").await.as_deref(), Some("limit"));
    }

    async fn at(caller: Caller, id: &str) -> Result<MeterId, u16> {
        let request = TestRequest::default().param("id", id.to_owned()).to_http_request();
        request.extensions_mut().insert(caller);
        At::<MeterId>::extract(&request).await.map(|at| at.0).map_err(|problem| problem.status)
    }

    #[actix_web::test]
    async fn what_is_on_another_site_does_not_exist() {
        let site = |number| SiteId::new(number).unwrap();
        let meter = MeterId::new(site(1), 5).unwrap();
        assert_eq!(at(Caller::new("a", Role::Viewer, None), &meter.to_string()).await, Ok(meter));
        assert_eq!(at(Caller::new("a", Role::Viewer, Some(site(1))), &meter.to_string()).await, Ok(meter));
        assert_eq!(at(Caller::new("a", Role::Viewer, Some(site(2))), &meter.to_string()).await, Err(404));
        assert_eq!(at(Caller::new("a", Role::Viewer, None), "five").await, Err(404));
    }

    async fn key(value: &str) -> Result<String, &'static str> {
        let request = TestRequest::default().insert_header((IDEMPOTENCY_KEY, value)).to_http_request();
        IdempotencyKey::extract(&request).await.map(|key| key.0).map_err(|problem| problem.code)
    }

    #[actix_web::test]
    async fn an_idempotency_key_is_visible_ascii_of_at_most_255() {
        assert_eq!(key("till-7/000123").await, Ok("till-7/000123".to_owned()));
        assert_eq!(key(&"x".repeat(255)).await, Ok("x".repeat(255)));
        assert_eq!(key(&"x".repeat(256)).await, Err("idempotency_key"));
        assert_eq!(key("two words").await, Err("idempotency_key"));
        assert_eq!(key("").await, Err("idempotency_key"));
        let without = TestRequest::default().to_http_request();
        assert_eq!(IdempotencyKey::extract(&without).await.err().unwrap().code, "idempotency_key_missing");
    }

    #[actix_web::test]
    async fn the_etag_shown_is_the_one_asked_back() {
        let seen = |tag: &str| TestRequest::default().insert_header((header::IF_MATCH, tag)).to_http_request();
        let (_, tag) = etag(7);
        assert_eq!(IfMatch::extract(&seen(&tag)).await.unwrap().0, Some(7));
        assert_eq!(IfMatch::extract(&seen("*")).await.unwrap().0, None);
        assert_eq!(IfMatch::extract(&seen("W/\"7\"")).await.err().unwrap().code, "if_match");
        let without = TestRequest::default().to_http_request();
        assert_eq!(IfMatch::extract(&without).await.err().unwrap().code, "if_match_missing");
    }

    #[test]
    fn a_wait_is_a_duration_within_the_limit() {
        assert_eq!(wait(None, 30).unwrap(), None);
        assert_eq!(wait(Some("10s"), 30).unwrap(), Some(Duration::from_secs(10)));
        for bad in ["31s", "-1s", "10", "soon", ""] {
            assert_eq!(wait(Some(bad), 30).unwrap_err().status, 400, "{bad}");
        }
    }
}
