//! Removing one of an account's meters: it ends with a last reading and is settled to it; the others count on.

use domain::{
    account::State,
    energy::Energy,
    ids::{AccountId, MeterId},
    reading::registers::ByPeriod,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, installation::Installation};
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance,
    books::Books,
    boundary_reading::{Shown, Source},
    close_account::{RemovedMeter, cut},
    customer_control,
    decide_relay::{self, Reviewed},
    end_installation::{self, Ending},
    label, once, schedule,
};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// How a meter is removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveMeter {
    /// What its total showed last in kWh, entered by hand; absent: it is read now.
    #[schema(value_type = Option<String>)]
    pub final_reading: Option<Energy>,
    /// Its billed period registers in kWh, where it is billed by these.
    #[schema(value_type = Option<Object>, example = json!({ "peak": "120.50", "valley": "80.25" }))]
    #[serde(default, skip_serializing_if = "ByPeriod::is_empty")]
    pub final_registers: ByPeriod,
    /// Why it is removed, or the reading was entered by hand.
    pub reason: String,
    /// Whether somebody looked twice: the entered reading stands though it does not agree with what was known of the meter. `false` if
    /// absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Whether its supply is cut. `false` if absent.
    #[serde(default)]
    pub disconnect: bool,
}

/// Removes a meter from its account; the last one goes with the account.
///
/// # Errors
/// A conflict where the key was used with other content, or the meter is not one of several of an open account; a refusal
/// by the rule that stands against it.
pub async fn remove(app: &App, id: MeterId, how: RemoveMeter, key: &str, by: &str) -> Result<RemovedMeter, Error> {
    let asked = once::Asked::new(id.site(), key, &("remove_meter", id, &how))?;
    let earlier = asked.clone();
    let ready = move |conn: &mut Conn| match once::find::<RemovedMeter>(conn, &earlier)? {
        Some(earlier) => Ok(Some(earlier)),
        None => one_of_several(conn, id).map(|_| None),
    };
    if let Some(earlier) = app.db.read(ready).await? {
        return Ok(earlier);
    }
    let shown = Shown::of(how.final_reading, &how.final_registers, how.confirmed, "final_reading")?;
    let removal = Removal {
        meter: id,
        reason: label("reason", &how.reason)?,
        source: Source::of(app, id, shown, by).await?,
        disconnect: how.disconnect,
        by: by.to_owned(),
        now: app.clock.now(),
    };
    let settings = app.settings.clone();
    let (removed, done) = app.db.write(move |conn| removal.write(conn, &settings, &asked)).await?;
    let Some(Done { account, reviewed, hot }) = done else { return Ok(removed) };
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought up to a removal");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account });
    Ok(removed)
}

/// The installation of a meter that its account can spare.
fn one_of_several(conn: &mut Conn, meter: MeterId) -> Result<Installation, Error> {
    store::meter::by_id(conn, meter)?;
    let none = || Error::conflict("meter_not_in_use", "the meter counts for no account");
    let one = store::installation::live_of_meter(conn, meter)?.ok_or_else(none)?;
    let all = store::installation::of_account(conn, one.account_id)?;
    if all.iter().filter(|other| other.end_at.is_none()).count() < 2 {
        return Err(Error::refused(
            "last_meter",
            "the account has no other meter: close the account, or replace the meter",
        ));
    }
    Ok(one)
}

struct Removal {
    meter: MeterId,
    reason: String,
    source: Source,
    disconnect: bool,
    by: String,
    now: Timestamp,
}

/// What is to be told after the commit.
struct Done {
    account: AccountId,
    reviewed: Reviewed,
    hot: Update,
}

impl Removal {
    fn write(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        asked: &once::Asked,
    ) -> Result<(RemovedMeter, Option<Done>), Error> {
        let (meter, now) = (self.meter, self.now);
        let found = one_of_several(conn, meter)?;
        let mut account = store::account::lock(conn, found.account_id)?;
        // Whoever used the key meanwhile held the lock.
        if let Some(earlier) = once::find::<RemovedMeter>(conn, asked)? {
            return Ok((earlier, None));
        }
        let one = one_of_several(conn, meter)?;
        if one.account_id != account.id || !matches!(account.state, State::Active | State::Suspended) {
            return Err(Error::conflict("account_not_active", "the meter's account is not open"));
        }
        let (field, registers_field) = ("final_reading", "final_registers");
        let ending = Ending { source: self.source.clone(), field, registers_field, reason: Some(&self.reason) };
        let (last, _) = end_installation::end(conn, settings, &mut account, &one, ending, now)?;
        let removed = RemovedMeter { meter_id: meter, final_reading: last.total, end_at: last.as_of };
        let mut reviewed = Reviewed::default();
        // Nothing that was ordered for the account's credit may reach whoever has the meter next.
        reviewed.orders.extend(decide_relay::supersede(conn, meter, None, &settings.policy.relay, now)?);
        schedule::leave(conn, meter)?;
        customer_control::leave(conn, settings, meter, None, (&self.by, now))?;
        if self.disconnect {
            let why = format!("meter removed: {}", self.reason);
            cut(conn, settings, &account, meter, (&self.by, now), why, &mut reviewed)?;
        }
        let object = format!("account:{}", account.id);
        let detail = format!("{}; meter {meter} at {} kWh", self.reason, last.total);
        audit_line::write(conn, meter.site(), (&self.by, now), "remove_meter", object, detail)?;
        let mut books = Books::load(conn, account)?;
        let decided = decide_relay::in_transaction(conn, settings, &mut books, None, now)?;
        reviewed.add(decided);
        once::store(conn, asked, &removed, now)?;
        store::fault::point("remove.written");
        let done = Done { account: books.account.id, reviewed, hot: books.hot() };
        Ok((removed, Some(done)))
    }
}
