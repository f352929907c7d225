//! The API's own description: what the handlers say of themselves, completed with what holds for all of them, and the
//! table of addresses made from it.

use utoipa::openapi::{
    Components, Content, Info, OpenApi, PathItem, Ref, RefOr, Required, ResponseBuilder,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
    security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
};
use utoipa::{PartialSchema, ToSchema};

use super::{
    BASE,
    problem::{MEDIA_TYPE, Problem},
};

/// The name of the security scheme and of the answer that every operation shares.
const API_KEY: &str = "api_key";
const PROBLEM: &str = "Problem";

/// Problems any call under `/api/v1` may be answered with, and those of calls that change something or bring a body.
const ALWAYS: &[&str] = &["400", "401", "403", "404", "500", "503"];
const ON_CHANGE: &[&str] = &["409", "422"];
const ON_BODY: &[&str] = &["413", "415"];

/// Completes the document: title, key, problems, and the identifiers in the addresses.
pub(super) fn complete(mut api: OpenApi) -> OpenApi {
    api.info = Info::new("Wattgate", env!("CARGO_PKG_VERSION"));
    api.info.description = Some(
        "Head end for centralized meter reading and prepaid electricity. Money is an integer of minor units with its \
         currency beside it, energy (kWh) and prices are decimal strings, identifiers are opaque strings, times are \
         RFC 3339. What goes wrong is told as application/problem+json (RFC 9457) with a stable `code`."
            .to_owned(),
    );
    describe_shared(api.components.get_or_insert_with(Components::new));
    for (path, item) in &mut api.paths.paths {
        let parameters: Vec<_> = path.split('/').filter_map(placeholder).map(identifier).collect();
        let guarded = path.starts_with(BASE);
        for (method, operation) in operations(item) {
            operation.parameters.get_or_insert_default().extend(parameters.iter().cloned().map(RefOr::T));
            if guarded {
                guard(method, operation);
            }
        }
    }
    api
}

fn describe_shared(components: &mut Components) {
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let answer = ResponseBuilder::new().description("What went wrong").content(MEDIA_TYPE, problem).build();
    components.responses.insert(PROBLEM.to_owned(), answer.into());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, `wg_..`, as `wattgate create-key` shows it once"));
    components.add_security_scheme(API_KEY, SecurityScheme::Http(bearer.build()));
}

fn guard(method: &str, operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(API_KEY, [])]);
    let of = |holds: bool, statuses: &'static [&'static str]| if holds { statuses } else { &[] };
    let statuses = [ALWAYS, of(method != "GET", ON_CHANGE), of(operation.request_body.is_some(), ON_BODY)].concat();
    for status in statuses {
        operation.responses.responses.insert(status.to_owned(), Ref::from_response_name(PROBLEM).into());
    }
}

/// The operations of an address by method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn placeholder(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn identifier(name: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

/// Which address answers to which methods.
pub(super) struct Addresses(Vec<(String, Vec<&'static str>)>);

impl Addresses {
    /// Those of a document.
    pub(super) fn of(api: &mut OpenApi) -> Self {
        let methods = |item| operations(item).map(|(method, _)| method).collect();
        Self(api.paths.paths.iter_mut().map(|(path, item)| (path.clone(), methods(item))).collect())
    }

    /// The methods of the address that a path means, as `Allow` lists them.
    pub(super) fn allowed(&self, path: &str) -> Option<String> {
        let fitting = self.0.iter().filter(|(address, _)| fits(address, path));
        // `/vends/trial` is itself and not `/vends/{id}`.
        let nearest = fitting.min_by_key(|(address, _)| address.matches('{').count());
        nearest.map(|(_, methods)| methods.join(", "))
    }
}

fn fits(address: &str, path: &str) -> bool {
    let (address, path) = (address.split('/'), path.split('/'));
    address.clone().count() == path.clone().count()
        && address
            .zip(path)
            .all(|(wanted, given)| wanted == given || (placeholder(wanted).is_some() && !given.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_by_its_segments_and_the_plainest_wins() {
        let addresses = Addresses(vec![
            ("/vends/{id}".to_owned(), vec!["GET"]),
            ("/vends/trial".to_owned(), vec!["POST"]),
            ("/vends".to_owned(), vec!["GET", "POST"]),
        ]);
        assert_eq!(addresses.allowed("/vends").as_deref(), Some("GET, POST"));
        assert_eq!(addresses.allowed("/vends/trial").as_deref(), Some("POST"));
        assert_eq!(addresses.allowed("/vends/17").as_deref(), Some("GET"));
        assert_eq!(addresses.allowed("/vends/"), None);
        assert_eq!(addresses.allowed("/vends/17/receipt"), None);
    }
}
