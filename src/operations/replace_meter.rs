//! Replacing a meter (换表), or changing its multiplier: the old installation ends with a last reading and is settled to it,
//! the new one begins with a first reading. Balance, blocks, guard and causes go on.

use domain::{
    account::State,
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId},
    reading::registers::ByPeriod,
    relay::{Action, Cause, Causes, order::Wish},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, installation::Installation, meter::Meter, reading::Reading};
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance,
    begin_installation::{Beginning, begin, check_meter, multiplier},
    books::Books,
    boundary_reading::{Shown, Source},
    decide_relay::{self, Asked, Reviewed},
    end_installation::{self, Ending},
    once, schedule,
};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// What a meter is replaced with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceMeter {
    /// The meter that takes its place; absent: the same meter goes on with another multiplier.
    #[schema(value_type = Option<String>)]
    pub new_meter_id: Option<MeterId>,
    /// CT x PT (倍率) of the new installation; absent: as before.
    pub multiplier: Option<u32>,
    /// What the old meter's total showed last in kWh, entered by hand; absent: it is read now.
    #[schema(value_type = Option<String>)]
    pub final_reading: Option<Energy>,
    /// The old meter's billed period registers in kWh, where it is billed by these.
    #[schema(value_type = Option<Object>, example = json!({ "peak": "120.50", "valley": "80.25" }))]
    #[serde(default, skip_serializing_if = "ByPeriod::is_empty")]
    pub final_registers: ByPeriod,
    /// What the new meter's total shows in kWh, entered by hand; absent: it is read now.
    #[schema(value_type = Option<String>)]
    pub initial_reading: Option<Energy>,
    /// The new meter's billed period registers in kWh, where it is billed by these.
    #[schema(value_type = Option<Object>, example = json!({ "peak": "120.50", "valley": "80.25" }))]
    #[serde(default, skip_serializing_if = "ByPeriod::is_empty")]
    pub initial_registers: ByPeriod,
    /// Why a reading was entered by hand.
    pub reason: Option<String>,
    /// Whether somebody looked twice: what was entered stands though it does not agree with what was known of the meter. `false` if
    /// absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

/// What a replacement came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replacement {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// The installation that ended.
    #[schema(value_type = String)]
    pub old_installation_id: InstallationId,
    /// Its meter.
    #[schema(value_type = String)]
    pub old_meter_id: MeterId,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub end_at: Timestamp,
    /// The old meter's total then, in kWh.
    #[schema(value_type = String)]
    pub final_reading: Energy,
    /// The installation that began.
    #[schema(value_type = String)]
    pub new_installation_id: InstallationId,
    /// Its meter.
    #[schema(value_type = String)]
    pub new_meter_id: MeterId,
    /// Its multiplier.
    pub multiplier: u32,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub start_at: Timestamp,
    /// The new meter's total then, in kWh.
    #[schema(value_type = String)]
    pub initial_reading: Energy,
}

/// Replaces a meter that counts for an account.
///
/// # Errors
/// A conflict where the key was used with other content, or the meter counts for no account; a refusal by the rule that
/// stands against it.
pub async fn replace(app: &App, old: MeterId, new: ReplaceMeter, key: &str, by: &str) -> Result<Replacement, Error> {
    let asked = once::Asked::new(old.site(), key, &("replace_meter", old, &new))?;
    let earlier = asked.clone();
    if let Some(earlier) = app.db.read(move |conn| once::find::<Replacement>(conn, &earlier)).await? {
        return Ok(earlier);
    }
    check(app, old, &new).await?;
    let confirmed = |total: Option<Energy>| new.confirmed && total.is_some();
    let (last, first) = (new.final_reading, new.initial_reading);
    let last = Shown::of(last, &new.final_registers, confirmed(last), "final_reading")?;
    let first = Shown::of(first, &new.initial_registers, confirmed(first), "initial_reading")?;
    let change = Change {
        old,
        last: Source::of(app, old, last, by).await?,
        first: match new.new_meter_id {
            Some(meter) => Some((meter, Source::of(app, meter, first, by).await?)),
            None => None,
        },
        multiplier: new.multiplier,
        reason: new.reason,
        by: by.to_owned(),
    };
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let (replacement, done) = app.db.write(move |conn| change.write(conn, &settings, &asked, now)).await?;
    let Some(done) = done else { return Ok(replacement) };
    store::fault::point("replace.committed");
    let account = replacement.account_id;
    if let Err(error) = balance::put(app, done.hot).await {
        tracing::warn!(%account, %error, "a hot balance was not brought up to a replacement");
    }
    decide_relay::follow(app, done.reviewed);
    done.concentrators.into_iter().for_each(|concentrator| app.reload(concentrator));
    app.announce(Changed::Account { account });
    Ok(replacement)
}

/// What can be refused before the meters are read.
async fn check(app: &App, old: MeterId, new: &ReplaceMeter) -> Result<(), Error> {
    if new.new_meter_id.is_some_and(|meter| meter.site() != old.site()) {
        return Err(Error::field("meter", "new_meter_id", "belongs to another site"));
    }
    multiplier(new.multiplier)?;
    if new.confirmed && new.final_reading.is_none() && new.initial_reading.is_none() {
        return Err(Error::field("total_missing", "final_reading", "only what is entered can be confirmed"));
    }
    if new.new_meter_id.is_none() && (new.multiplier.is_none() || new.initial_reading.is_some()) {
        let detail = "names the meter that takes its place, unless the same meter goes on with another multiplier";
        return Err(Error::field("meter", "new_meter_id", detail));
    }
    let meter = new.new_meter_id;
    app.db
        .read(move |conn| {
            in_use(conn, old)?;
            meter.map_or(Ok(()), |meter| check_meter(conn, meter).map(drop))
        })
        .await
}

/// The installation of a meter that counts for an account.
fn in_use(conn: &mut Conn, meter: MeterId) -> Result<Installation, Error> {
    store::meter::by_id(conn, meter)?;
    let none = || Error::conflict("meter_not_in_use", "the meter counts for no account");
    store::installation::live_of_meter(conn, meter)?.ok_or_else(none)
}

/// What is known once the meters were read.
struct Change {
    old: MeterId,
    last: Source,
    /// The meter that takes its place; none: the same.
    first: Option<(MeterId, Source)>,
    multiplier: Option<u32>,
    reason: Option<String>,
    by: String,
}

/// What is to be told after the commit.
struct Done {
    reviewed: Reviewed,
    hot: Update,
    concentrators: Vec<domain::ids::ConcentratorId>,
}

impl Change {
    fn write(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        asked: &once::Asked,
        now: Timestamp,
    ) -> Result<(Replacement, Option<Done>), Error> {
        let installed = in_use(conn, self.old)?;
        let mut account = store::account::lock(conn, installed.account_id)?;
        // Whoever used the key meanwhile held the lock.
        if let Some(earlier) = once::find::<Replacement>(conn, asked)? {
            return Ok((earlier, None));
        }
        let old = in_use(conn, self.old)?;
        if old.account_id != account.id || account.state != State::Active {
            return Err(Error::conflict("account_not_active", "the meter's account is not active"));
        }
        let (source, reason) = (self.last.clone(), self.reason.as_deref());
        let ending = Ending { source, field: "final_reading", registers_field: "final_registers", reason };
        let (last, value) = end_installation::end(conn, settings, &mut account, &old, ending, now)?;
        let new = self.begin(conn, settings, &old, (&last, value), now)?;
        let mut reviewed = Reviewed::default();
        let concentrators = self.hand_over(conn, settings, &new, &mut reviewed, now)?;
        let mut books = Books::load(conn, account)?;
        let decided = decide_relay::in_transaction(conn, settings, &mut books, None, now)?;
        reviewed.add(decided);
        let first = store::reading::by_id(conn, new.start_reading_id)?;
        let replacement = Replacement {
            account_id: new.account_id,
            old_installation_id: old.id,
            old_meter_id: self.old,
            end_at: last.as_of,
            final_reading: last.total,
            new_installation_id: new.id,
            new_meter_id: new.meter_id,
            multiplier: new.multiplier,
            start_at: new.start_at,
            initial_reading: first.total,
        };
        let reason = self.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
        let detail = format!("by meter {} x {}{reason}", new.meter_id, new.multiplier);
        let object = format!("meter:{}", self.old);
        audit_line::write(conn, self.old.site(), (&self.by, now), "replace_meter", object, detail)?;
        once::store(conn, asked, &replacement, now)?;
        store::fault::point("replace.written");
        Ok((replacement, Some(Done { reviewed, hot: books.hot(), concentrators })))
    }

    fn begin(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        old: &Installation,
        (last, value): (&Reading, Energy),
        now: Timestamp,
    ) -> Result<Installation, Error> {
        let multiplier = self.multiplier.unwrap_or(old.multiplier);
        if let Some((meter, source)) = self.first.clone() {
            let beginning = Beginning { meter, multiplier, source, reason: self.reason.as_deref() };
            return begin(conn, settings, old.account_id, beginning, now);
        }
        let installation = Installation {
            id: store::ids::next(conn, old.id.site())?,
            multiplier,
            start_at: last.as_of,
            start_value: value,
            start_reading_id: last.id,
            start_registers: store::installation::by_id(conn, old.id)?.end_registers,
            resettle_since: None,
            ..old.clone()
        };
        store::installation::insert(conn, &installation)?;
        Ok(installation)
    }

    /// What stood at the old meter goes on at the new one: its guard, its schedule, and why supply is not wanted. The old one's orders end.
    /// Gives the concentrators that are to look at their archives again.
    fn hand_over(
        &self,
        conn: &mut Conn,
        settings: &Settings,
        new: &Installation,
        reviewed: &mut Reviewed,
        now: Timestamp,
    ) -> Result<Vec<domain::ids::ConcentratorId>, Error> {
        let mut old = store::meter::by_id(conn, self.old)?;
        if new.meter_id == self.old {
            return Ok(vec![old.concentrator_id]);
        }
        let relay = &settings.policy.relay;
        reviewed.orders.extend(decide_relay::supersede(conn, self.old, None, relay, now)?);
        let stood = store::meter::causes(conn, self.old)?;
        let mut meter = store::meter::by_id(conn, new.meter_id)?;
        let before = store::meter::causes(conn, meter.id)?;
        let causes = schedule::hand_over(conn, self.old, meter.id, &stood)?;
        decide_relay::save_causes(conn, meter.id, &before, &causes)?;
        decide_relay::save_causes(conn, self.old, &stood, &Causes::none())?;
        (meter.guarded, meter.guard_reason) = (old.guarded, old.guard_reason.take());
        old.guarded = false;
        // It hangs where the old one hung.
        let building = store::building::of_meter(conn, self.old)?.map(|building| building.id);
        store::building::put(conn, meter.id, building)?;
        store::building::put(conn, self.old, None)?;
        store::meter::save(conn, &meter)?;
        store::meter::save(conn, &old)?;
        if let Some(order) = keep_cut(conn, settings, new, &meter, &causes, now)? {
            reviewed.orders.push(order);
            reviewed.wake.push(meter.concentrator_id);
        }
        Ok(vec![old.concentrator_id, meter.concentrator_id])
    }
}

/// What somebody cut at the old meter is cut at the new one; what credit cuts is decided anew.
fn keep_cut(
    conn: &mut Conn,
    settings: &Settings,
    new: &Installation,
    meter: &Meter,
    causes: &Causes,
    now: Timestamp,
) -> Result<Option<domain::ids::OrderId>, Error> {
    let Some(cause) = causes.without(Cause::Credit).iter().next() else { return Ok(None) };
    let wish = Wish { action: Action::Disconnect, cause, permit: decide_relay::permit(settings, meter) };
    let why = format!("was cut for {causes} at the meter before");
    let asked = Asked { account: Some(new.account_id), vend: None, by: None, why };
    decide_relay::place(conn, meter, wish, asked, &settings.policy.relay, now).map(Some)
}
