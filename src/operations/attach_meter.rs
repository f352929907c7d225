//! A further meter for an open account: from its first reading on its energy counts with that of the others, up the same
//! blocks and out of the same balance.

use domain::{
    account::State,
    energy::Energy,
    ids::{AccountId, MeterId},
    reading::registers::ByPeriod,
};
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account, installation::Installation};
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance,
    begin_installation::{Beginning, begin, check_meter, forget_causes, multiplier},
    books::Books,
    boundary_reading::{Shown, Source},
    decide_relay, once,
};
use crate::{app::App, changes::Changed};

/// The meter to be attached.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachMeter {
    /// The meter.
    #[schema(value_type = String)]
    pub meter_id: MeterId,
    /// CT x PT (倍率); 1 if absent.
    pub multiplier: Option<u32>,
    /// The register's total in kWh, entered by hand; absent: the meter is read now.
    #[schema(value_type = Option<String>)]
    pub initial_reading: Option<Energy>,
    /// Its billed period registers in kWh, where it is billed by these.
    #[schema(value_type = Option<Object>, example = json!({ "peak": "120.50", "valley": "80.25" }))]
    #[serde(default, skip_serializing_if = "ByPeriod::is_empty")]
    pub initial_registers: ByPeriod,
    /// Why it is attached, or the reading was entered by hand.
    pub reason: String,
    /// Whether somebody looked twice: the entered reading stands though it does not agree with what was known of the meter. `false` if
    /// absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

/// Attaches a meter to an active account.
///
/// # Errors
/// A conflict where the key was used with other content, the account is not active or the meter counts for one; a refusal
/// by the rule that stands against it.
pub async fn attach(app: &App, id: AccountId, new: AttachMeter, key: &str, by: &str) -> Result<Installation, Error> {
    if new.meter_id.site() != id.site() {
        return Err(Error::field("meter", "meter_id", "belongs to another site"));
    }
    let multiplier = multiplier(new.multiplier)?;
    let reason = super::label("reason", &new.reason)?;
    let asked = once::Asked::new(id.site(), key, &("attach_meter", id, &new))?;
    let (earlier, meter, most) = (asked.clone(), new.meter_id, app.settings.policy.settlement.meters_per_account);
    let ready = move |conn: &mut Conn| {
        if let Some(earlier) = once::find(conn, &earlier)? {
            return Ok(Some(store::installation::by_id(conn, earlier)?));
        }
        let account = store::account::by_id(conn, id)?;
        may_have_more(conn, &account, most)?;
        check_meter(conn, meter)?;
        Ok::<_, Error>(None)
    };
    if let Some(earlier) = app.db.read(ready).await? {
        return Ok(earlier);
    }
    let shown = Shown::of(new.initial_reading, &new.initial_registers, new.confirmed, "initial_reading")?;
    let source = Source::of(app, meter, shown, by).await?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let (installation, done) = app
        .db
        .write(move |conn| {
            let account = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find(conn, &asked)? {
                return Ok((store::installation::by_id(conn, earlier)?, None));
            }
            may_have_more(conn, &account, most)?;
            let beginning = Beginning { meter, multiplier, source: source.clone(), reason: Some(&reason) };
            let installation = begin(conn, &settings, id, beginning, now)?;
            forget_causes(conn, meter)?;
            let mut books = Books::load(conn, account)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            let detail = format!("{reason}; meter {meter} from {} kWh on", installation.start_value);
            audit_line::write(conn, id.site(), (&by, now), "attach_meter", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &installation.id, now)?;
            store::fault::point("attach.written");
            Ok::<_, Error>((installation, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok(installation) };
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(account = %id, %error, "a hot balance was not brought up to a further meter");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account: id });
    Ok(installation)
}

fn may_have_more(conn: &mut Conn, account: &Account, most: usize) -> Result<(), Error> {
    if account.state != State::Active {
        return Err(Error::conflict("account_not_active", "the account is not active"));
    }
    let all = store::installation::of_account(conn, account.id)?;
    if all.iter().filter(|one| one.end_at.is_none()).count() >= most {
        return Err(Error::refused("too_many_meters", format!("an account has {most} meters at most")));
    }
    Ok(())
}
