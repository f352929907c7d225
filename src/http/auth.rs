//! Who is calling and what they may do: API keys, the table of rights, and the site a key is limited to.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use domain::ids::SiteId;
use store::api_key::Role;

use super::problem::Problem;
use crate::{app::App, keys, operations::counter::Seller};

/// What a call needs of its key. [`May`] checks it before anything else of the request is looked at.
pub trait Right: 'static {
    /// What the right allows, for people.
    const ALLOWS: &'static str;
    /// The roles that have it.
    const ROLES: &'static [Role];
}

macro_rules! rights {
    ($($(#[$doc:meta])* $right:ident ($allows:literal): $($role:ident),+;)*) => {$(
        $(#[$doc])*
        pub struct $right;

        impl Right for $right {
            const ALLOWS: &'static str = $allows;
            const ROLES: &'static [Role] = &[$(Role::$role),+];
        }
    )*};
}

// Which role may do what: the only place that says it.
rights! {
    /// Looking at everything.
    Read ("read"): Viewer, Cashier, Operator, Admin;
    /// Vending.
    Sell ("vend"): Cashier, Operator, Admin;
    /// Entering and changing the archive, reading now, relay orders, guards.
    Operate ("operate"): Operator, Admin;
    /// The switches of a site.
    Administer ("administer"): Admin;
}

/// The key behind a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The key's public part; it stands beside what the caller did.
    pub prefix: String,
    /// What the key may do.
    role: Role,
    /// The only site the key is for, if it is for one.
    site: Option<SiteId>,
    /// The only terminal the key sells at, if it is for one.
    terminal: Option<String>,
}

impl Caller {
    /// A caller with this key.
    pub(super) fn new(prefix: impl Into<String>, role: Role, site: Option<SiteId>) -> Self {
        Self { prefix: prefix.into(), role, site, terminal: None }
    }

    /// The site a list is about: the one asked for, else the key's own.
    ///
    /// # Errors
    /// 403 for a site that the key is not for; 400 where neither names one.
    pub fn list_of(&self, asked: Option<SiteId>) -> Result<SiteId, Problem> {
        let site = asked.or(self.site).ok_or_else(|| {
            Problem::malformed("site_missing", Some("site_id"), "say which site: this key is for all")
        })?;
        self.within(site)?;
        Ok(site)
    }

    /// Whether the key is for this site; asked for every site that a body or a query names.
    ///
    /// # Errors
    /// 403 if it is not.
    pub fn within(&self, site: SiteId) -> Result<(), Problem> {
        match self.site {
            Some(own) if own != site => Err(Problem::forbidden("other_site", "this key is for another site")),
            _ => Ok(()),
        }
    }

    /// Whether the key may sell, reverse or pay out at this terminal.
    ///
    /// # Errors
    /// 403 if it is another terminal's.
    pub fn at_terminal(&self, terminal: &str) -> Result<(), Problem> {
        match &self.terminal {
            Some(own) if own != terminal => {
                Err(Problem::forbidden("other_terminal", "this key is for another terminal"))
            }
            _ => Ok(()),
        }
    }

    /// The caller as who sells at a terminal that [`Caller::at_terminal`] let pass.
    #[must_use]
    pub fn seller(&self) -> Seller {
        let supervises = matches!(self.role, Role::Operator | Role::Admin);
        Seller { key: self.prefix.clone(), supervises, of_terminal: self.terminal.is_some() }
    }

    /// Whether the key is for every site.
    ///
    /// # Errors
    /// 403 if it is for one only.
    pub fn everywhere(&self) -> Result<(), Problem> {
        match self.site {
            Some(_) => Err(Problem::forbidden("other_site", "this key is for one site only")),
            None => Ok(()),
        }
    }

    /// Whether the key may administer as well.
    #[must_use]
    pub fn administers(&self) -> bool {
        Administer::ROLES.contains(&self.role)
    }

    /// The only site the key is for, if it is for one.
    #[must_use]
    pub fn only_site(&self) -> Option<SiteId> {
        self.site
    }

    /// The caller of a request that [`authenticate`] let pass.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let caller = request.extensions().get::<Self>().cloned();
        caller.ok_or_else(|| Problem::unauthenticated("this address needs an API key"))
    }
}

/// A caller that has the right `R`. It stands first among a handler's arguments, so that it is checked first.
pub struct May<R> {
    caller: Caller,
    right: PhantomData<R>,
}

impl<R> Deref for May<R> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R: Right> FromRequest for May<R> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Caller::of(request).and_then(|caller| {
            if R::ROLES.contains(&caller.role) {
                Ok(Self { caller, right: PhantomData })
            } else {
                let named = |role: &Role| format!("{role:?}").to_lowercase();
                let may = R::ROLES.iter().map(named).collect::<Vec<_>>().join(" or ");
                let detail = format!("a key of role {} may not {}: {may} may", named(&caller.role), R::ALLOWS);
                Err(Problem::forbidden("role", detail))
            }
        }))
    }
}

/// The middleware of everything under `/api/v1`: no request passes without a key that we know.
pub(super) async fn authenticate(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let caller = identify(&app, bearer(&request)).await?;
    request.extensions_mut().insert(caller);
    next.call(request).await
}

/// The text behind `Authorization: Bearer`; the scheme's name is not case-sensitive.
fn bearer(request: &ServiceRequest) -> Option<String> {
    let (scheme, key) = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

async fn identify(app: &App, key: Option<String>) -> Result<Caller, Problem> {
    let Some(key) = key else {
        return Err(Problem::unauthenticated("this address needs an API key: Authorization: Bearer wg_.."));
    };
    // One answer for every bad key: it does not tell whether the prefix exists or the key was revoked.
    let refused = || Problem::unauthenticated("this API key is not known");
    let prefix = keys::prefix_of(&key).ok_or_else(refused)?.to_owned();
    let read = move |conn: &mut store::Conn| {
        let Some(key) = store::api_key::by_prefix(conn, &prefix)? else { return Ok(None) };
        let terminal = key.terminal_id.map(|id| store::terminal::by_id(conn, id)).transpose()?;
        Ok::<_, store::Error>(Some((key, terminal.map(|terminal| terminal.name))))
    };
    let (stored, terminal) = app.db.read(read).await?.ok_or_else(refused)?;
    if stored.revoked_at.is_some() || !keys::fits(&key, &stored.hash) {
        return Err(refused());
    }
    Ok(Caller { terminal, ..Caller::new(stored.prefix, stored.role, stored.site_id) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use actix_web::test::TestRequest;

    use super::*;

    fn caller(role: Role, site: Option<i64>) -> Caller {
        Caller::new("0123456789ab", role, site.map(|number| SiteId::new(number).unwrap()))
    }

    async fn may<R: Right>(role: Role) -> bool {
        let request = TestRequest::default().to_http_request();
        request.extensions_mut().insert(caller(role, None));
        May::<R>::extract(&request).await.is_ok()
    }

    #[actix_web::test]
    async fn each_role_may_do_what_the_table_says() {
        for (role, allowed) in [
            (Role::Viewer, [true, false, false, false]),
            (Role::Cashier, [true, true, false, false]),
            (Role::Operator, [true, true, true, false]),
            (Role::Admin, [true, true, true, true]),
        ] {
            let found = [
                may::<Read>(role).await,
                may::<Sell>(role).await,
                may::<Operate>(role).await,
                may::<Administer>(role).await,
            ];
            assert_eq!(found, allowed, "{role:?}");
        }
    }

    #[actix_web::test]
    async fn a_request_that_came_around_the_middleware_has_no_rights() {
        let request = TestRequest::default().to_http_request();
        assert_eq!(May::<Read>::extract(&request).await.map(|_| ()).unwrap_err().status, 401);
    }

    #[test]
    fn a_key_of_one_site_is_kept_to_it() {
        let (own, other) = (SiteId::new(1).unwrap(), SiteId::new(2).unwrap());
        let limited = caller(Role::Admin, Some(1));
        assert_eq!(limited.list_of(None).unwrap(), own);
        assert_eq!(limited.list_of(Some(other)).unwrap_err().status, 403);
        assert_eq!(limited.everywhere().unwrap_err().status, 403);
        let free = caller(Role::Admin, None);
        assert_eq!(free.list_of(Some(other)).unwrap(), other);
        assert_eq!(free.list_of(None).unwrap_err().code, "site_missing");
    }

    #[test]
    fn only_a_bearer_key_is_taken_from_the_header() {
        let read = |value: &str| {
            bearer(&TestRequest::default().insert_header((header::AUTHORIZATION, value)).to_srv_request())
        };
        assert_eq!(read("Bearer wg_a_b"), Some("wg_a_b".to_owned()));
        assert_eq!(read("bearer wg_a_b"), Some("wg_a_b".to_owned()));
        assert_eq!(read("Basic d2c6YQ=="), None);
        assert_eq!(read("wg_a_b"), None);
    }
}
