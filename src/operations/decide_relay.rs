//! The one decision over supply: an account's rows are read, its credit is watched, its notices are written, and each of
//! its meters gets an order, loses one, or is held.

use domain::{
    account::{self, Emergency, Standing},
    bug::{Bug, is_planted},
    calendar::shift,
    ids::{AccountId, MeterId, OrderId, VendId},
    money::Money,
    notice::Notice,
    relay::{
        Action, Cause, Causes,
        decide::{self, AccountFacts, Authorization, Guard, MeterFacts, Verdict},
        order::{self, Event, Order, Wish},
        wait,
    },
    site::{Policy, Site},
};
use jiff::Timestamp;
use store::{Conn, meter::Meter, relay_order::RelayOrder};

use super::{Error, balance, books, books::Books, mass_cut, notices, unread};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// What a review changed outside the account's own row.
#[derive(Debug, Default)]
pub struct Reviewed {
    /// Orders written or withdrawn, with the concentrators to wake.
    pub orders: Vec<OrderId>,
    /// Meters whose relay is to be moved.
    pub wake: Vec<domain::ids::ConcentratorId>,
    /// Meters whose cut or reconnect is held, and by what.
    pub held: Vec<(MeterId, Vec<Guard>)>,
    /// Meters to be read at once, since their last reading is no evidence.
    pub read_now: Vec<(domain::ids::ConcentratorId, MeterId)>,
}

impl Reviewed {
    /// What another review changed, too.
    pub fn add(&mut self, other: Self) {
        self.orders.extend(other.orders);
        self.wake.extend(other.wake);
        self.held.extend(other.held);
        self.read_now.extend(other.read_now);
    }
}

/// Puts an update into the hot balances and tells whether the account stands otherwise than its row remembers: a level
/// crossed, an episode begun or over, a cut or a restore due.
///
/// # Errors
/// The database fails. Hot balances that fail, or were wiped, are answered for by the database.
pub async fn stands_otherwise(app: &App, update: Update) -> Result<bool, Error> {
    let id = update.account;
    let available = balance::put(app, update).await?;
    let row = app.db.read(move |conn| store::account::by_id(conn, id)).await?;
    let limits = row.limits();
    let above = |level: Money| available > level + limits.rearm_margin;
    let level = |armed: bool, level| if armed { available <= level } else { above(level) };
    let credit = row.credit();
    let episode = match credit.episode {
        None => available <= limits.alarm_2,
        Some(episode) => above(limits.alarm_2) && !episode.forecast,
    };
    let cut = limits.with_emergency(&credit).disconnect_due(available);
    let emergency = match credit.episode.and_then(|episode| episode.emergency) {
        Some(Emergency::Granted) => available < Money::ZERO,
        Some(Emergency::Drawn) => available >= Money::ZERO,
        Some(Emergency::Used) | None => false,
    };
    Ok(level(credit.alarm_1_armed, limits.alarm_1)
        || level(credit.alarm_2_armed, limits.alarm_2)
        || episode
        || emergency
        || cut)
}

/// Decides over an account's supply now, in one transaction.
///
/// # Errors
/// A row is missing or does not parse; the tariff does not price what was used; the database fails.
pub async fn review(app: &App, account: AccountId) -> Result<(), Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let reviewed = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, account)?;
            in_transaction(conn, &settings, &mut books, None, now)
        })
        .await?;
    follow(app, reviewed);
    Ok(())
}

/// Puts off the next look at an account that cannot be decided over, so that it does not keep others from their turn.
///
/// # Errors
/// The database fails.
pub async fn postpone(app: &App, account: AccountId) -> Result<(), Error> {
    let until = shift(app.clock.now(), app.settings.policy.disconnection.held_recheck);
    app.db
        .write(move |conn| {
            let mut row = store::account::lock(conn, account)?;
            row.decide_at = row.decide_at.map(|_| until);
            Ok::<_, Error>(store::account::save(conn, &row)?)
        })
        .await
}

/// Hints after the commit: who has something to do.
pub fn follow(app: &App, reviewed: Reviewed) {
    for order in reviewed.orders {
        app.announce(Changed::Order { order });
    }
    for concentrator in reviewed.wake {
        app.wake(concentrator);
    }
    for (meter, guards) in reviewed.held {
        app.announce(Changed::Held { meter, guards });
    }
    for (concentrator, meter) in reviewed.read_now {
        app.read_now_soon(concentrator, meter);
    }
}

/// Decides over the account of `books`, whose row is locked, and saves it. `vend` is the vend that asks, if one does.
///
/// # Errors
/// See [`review`].
pub fn in_transaction(
    conn: &mut Conn,
    settings: &Settings,
    books: &mut Books,
    vend: Option<VendId>,
    now: Timestamp,
) -> Result<Reviewed, Error> {
    let available = books.available()?;
    if books.account.state == account::State::Active {
        watch(conn, &settings.policy, books, available, now)?;
    }
    let policy = policy_of(settings, &books.site);
    let mut reviewed = Reviewed::default();
    let mut decide_at = shift(now, policy.disconnection.held_recheck);
    let facts = account_facts(conn, books, now)?;
    for index in 0..books.meters.len() {
        let Some(id) = books.meters.get(index).map(|meter| meter.installation.meter_id) else { continue };
        let meter = store::meter::by_id(conn, id)?;
        let site = Site { policy: &policy, zone: &books.zone };
        let seen = meter_facts(conn, settings, &meter)?;
        let decision = decide::decide(&facts, &seen, site, now);
        save_causes(conn, id, &seen.causes, &decision.causes)?;
        let waits = wait::waiting(&facts, &seen, &decision);
        unread::tell(conn, &seen, (id, waits.as_ref()), &policy, now)?;
        store::supply_wait::keep(conn, (id, books.account.id), waits, now)?;
        let wish = |action, cause| Wish { action, cause, permit: permit(settings, &meter) };
        let place = |conn: &mut Conn, wish: Wish, why: String| {
            let asked = Asked { account: Some(books.account.id), vend, by: None, why };
            place(conn, &meter, wish, asked, &policy.relay, now)
        };
        match decision.verdict {
            Verdict::Nothing => {
                if let Some(order) = release(conn, &facts, &seen, site, now)? {
                    reviewed.orders.push(order);
                    reviewed.wake.push(meter.concentrator_id);
                }
            }
            Verdict::Reported => {
                let detail = format!("available {available}");
                let object = format!("account:{}", books.account.id);
                store::alarm::raise(conn, id.site(), "would_be_disconnected", &object, &detail, now)?;
            }
            Verdict::Disconnect => {
                let why = format!("available {available} is used up");
                reviewed.orders.push(place(conn, wish(Action::Disconnect, Cause::Credit), why)?);
                reviewed.wake.push(meter.concentrator_id);
            }
            Verdict::Reconnect => {
                let why = format!("available {available}");
                reviewed.orders.push(place(conn, wish(Action::Reconnect, Cause::Credit), why)?);
                reviewed.wake.push(meter.concentrator_id);
            }
            Verdict::Withdraw => reviewed.orders.extend(supersede(conn, id, None, &policy.relay, now)?),
            Verdict::Held { guards, until } => {
                decide_at = decide_at.min(until);
                if guards.contains(&Guard::Quarantine) {
                    mass_cut::remind(conn, &books.site, &books.zone, now)?;
                }
                if guards.contains(&Guard::StaleReading) {
                    reviewed.read_now.push((meter.concentrator_id, id));
                }
                reviewed.held.push((id, guards));
            }
        }
    }
    books.account.decide_at = (books.account.state == account::State::Active).then_some(decide_at);
    store::account::save(conn, &books.account)?;
    Ok(reviewed)
}

/// Watches an account's credit: its levels, its episode, and the notices that they ask for.
fn watch(conn: &mut Conn, policy: &Policy, books: &mut Books, available: Money, now: Timestamp) -> Result<(), Error> {
    let mean_cost_per_hour = books.mean_cost_per_hour(conn, &policy.credit, now)?;
    let standing = Standing { available, mean_cost_per_hour };
    let (before, limits, currency) = (books.account.credit(), books.account.limits(), &books.tariff.currency);
    let (credit, written) = account::watch(&before, &standing, &limits, currency, &policy.credit, now);
    books.account.set_credit(&credit);
    for notice in &written {
        notices::write(conn, &books.account, currency, notice, now)?;
    }
    Ok(())
}

/// An order that was held when it was to be sent does not wait for its next look when nothing holds it any more.
fn release(
    conn: &mut Conn,
    account: &AccountFacts,
    meter: &MeterFacts,
    site: Site<'_>,
    now: Timestamp,
) -> Result<Option<OrderId>, Error> {
    let Some(held) = meter.order.as_ref().filter(|order| order.is_held(now)) else { return Ok(None) };
    if decide::authorize(held, Some(account), meter, site, now) != Authorization::Send {
        return Ok(None);
    }
    let next = order::apply(held, Event::Released, now, &site.policy.relay);
    let next = next.map_err(|bad| books::corrupt(bad.to_string()))?.order;
    let row = store::relay_order::by_id(conn, held.id)?;
    store::relay_order::transition(conn, &row.with(&next), held.state, now, "held no longer")?;
    Ok(Some(held.id))
}

/// The settings' policy with the site's own switch.
#[must_use]
pub fn policy_of(settings: &Settings, site: &store::site::Site) -> Policy {
    let mut policy = settings.policy.clone();
    policy.disconnection.automatic = site.automatic_disconnection;
    policy
}

/// Whether a reconnect of this meter waits for the customer's button.
#[must_use]
pub fn permit(settings: &Settings, meter: &Meter) -> bool {
    settings.meter_profile(&meter.profile).is_ok_and(|profile| profile.permit)
}

/// An account as the decision sees it.
///
/// # Errors
/// The tariff does not price what was used; the database fails.
pub fn account_facts(conn: &mut Conn, books: &Books, now: Timestamp) -> Result<AccountFacts, Error> {
    let available = books.available()?;
    let limits = books.account.limits().with_emergency(&books.account.credit());
    // Only a cut that is due is held.
    let payment_until = match limits.disconnect_due(available) {
        true => store::payment_in_flight::held_until(conn, books.account.id, now)?,
        false => None,
    };
    Ok(AccountFacts {
        state: books.account.state,
        available,
        limits,
        credit: books.account.credit(),
        supply_guard: books.account.guarded,
        hold_until: books.account.hold_until,
        payment_until,
    })
}

/// A meter as the decision sees it.
///
/// # Errors
/// A row does not parse, or names a profile that the settings do not have.
pub fn meter_facts(conn: &mut Conn, settings: &Settings, meter: &Meter) -> Result<MeterFacts, Error> {
    let concentrator = store::concentrator::by_id(conn, meter.concentrator_id)?;
    // A look at the relay that is older than the newest disconnect sent says nothing of what that did. One that was confirmed was looked
    // at since, whatever a clock said that was ahead then.
    let unread =
        store::relay_order::last_disconnect(conn, meter.id)?.filter(|row| row.state != order::State::Confirmed);
    let cut_sent_at = unread.and_then(|row| row.sent_at);
    let seen = meter.relay_reading().filter(|(_, at)| cut_sent_at.is_none_or(|sent| sent <= *at));
    let profile = settings.meter_profile(&meter.profile)?;
    let usual = settings.policy.disconnection.reading_freshness;
    Ok(MeterFacts {
        causes: store::meter::causes(conn, meter.id)?,
        relay: seen.map(|(reading, _)| reading),
        order: store::relay_order::live_of(conn, meter.id)?.map(|row| row.order()),
        relay_control: profile.wire.relay_control,
        blocked: meter.relay_blocked,
        supply_guard: meter.guarded || building_guarded(conn, meter.id)?,
        quarantined: store::supply_wait::of_meter(conn, meter.id)?.is_some_and(|wait| wait.is_quarantined()),
        last_good_reading_at: meter.last_good_as_of,
        reading_freshness: profile.reading_freshness.unwrap_or(usual),
        sightings: meter.sightings(),
        clock_offset: None,
        concentrator_clock_offset: concentrator.clock_drift_s.map(jiff::SignedDuration::from_secs),
    })
}

fn building_guarded(conn: &mut Conn, meter: MeterId) -> Result<bool, Error> {
    let building = store::building::of_meter(conn, meter)?;
    Ok(building.is_some_and(|building| building.guarded) && !is_planted(Bug::IgnoreBuildingGuard))
}

/// Who asks for an order, and why.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The account it is for.
    pub account: Option<AccountId>,
    /// The vend it follows from.
    pub vend: Option<VendId>,
    /// The operator's key.
    pub by: Option<String>,
    /// For people.
    pub why: String,
}

/// Writes an order; a live one of the meter is superseded by it.
///
/// # Errors
/// The database fails.
pub fn place(
    conn: &mut Conn,
    meter: &Meter,
    wish: Wish,
    asked: Asked,
    policy: &domain::site::RelayPolicy,
    now: Timestamp,
) -> Result<OrderId, Error> {
    let id: OrderId = store::ids::next(conn, meter.id.site())?;
    supersede(conn, meter.id, Some(id), policy, now)?;
    let order = Order::new(id, meter.id, asked.account, wish, now, policy);
    let row = RelayOrder { vend_id: asked.vend, ordered_by: asked.by, ..RelayOrder::new(&order, &asked.why) };
    store::relay_order::insert(conn, &row)?;
    Ok(id)
}

/// Supersedes the meter's live order, if there is one.
///
/// # Errors
/// The database fails.
pub fn supersede(
    conn: &mut Conn,
    meter: MeterId,
    by: Option<OrderId>,
    policy: &domain::site::RelayPolicy,
    now: Timestamp,
) -> Result<Option<OrderId>, Error> {
    let Some(live) = store::relay_order::live_of(conn, meter)? else { return Ok(None) };
    let ended = order::apply(&live.order(), Event::Superseded, now, policy)
        .map_err(|bad| books::corrupt(bad.to_string()))?
        .order;
    let row = RelayOrder { superseded_by: by, ..live.with(&ended) };
    let detail = by.map_or_else(|| "no longer wanted".to_owned(), |by| format!("by order {by}"));
    store::relay_order::transition(conn, &row, live.state, now, &detail)?;
    Ok(Some(row.id))
}

/// Cancels a disconnect that was never sent; whether it was one still. It leaves no cause behind, unless the relay is open
/// already.
///
/// # Errors
/// The order does not exist; the database fails.
pub fn cancel(conn: &mut Conn, settings: &Settings, id: OrderId, why: &str, now: Timestamp) -> Result<bool, Error> {
    let row = store::relay_order::by_id(conn, id)?;
    let order = row.order();
    if order.state.is_end() || order.attempts > 0 || order.action != Action::Disconnect {
        return Ok(false);
    }
    let ended = order::apply(&order, Event::Superseded, now, &settings.policy.relay);
    let ended = ended.map_err(|bad| books::corrupt(bad.to_string()))?.order;
    if !store::relay_order::transition(conn, &row.with(&ended), order.state, now, why)? {
        return Ok(false);
    }
    let meter = store::meter::by_id(conn, order.meter)?;
    let seen = meter_facts(conn, settings, &meter)?;
    if !seen.relay.is_some_and(|relay| relay.is_disconnected()) {
        save_causes(conn, meter.id, &seen.causes, &seen.causes.without(order.cause))?;
    }
    Ok(true)
}

/// Writes a meter's causes where they changed.
///
/// # Errors
/// The database fails.
pub fn save_causes(conn: &mut Conn, meter: MeterId, before: &Causes, after: &Causes) -> Result<(), Error> {
    for cause in after.iter().filter(|cause| !before.contains(*cause)) {
        store::meter::add_cause(conn, meter, cause)?;
    }
    for cause in before.iter().filter(|cause| !after.contains(*cause)) {
        store::meter::remove_cause(conn, meter, cause)?;
    }
    Ok(())
}

/// The notice that an order's new state asks for.
#[must_use]
pub fn notice_of(order: &Order, available: Money, address: &str) -> Option<Notice> {
    match (order.action, order.state) {
        (Action::Disconnect, order::State::Confirmed) => Some(Notice::Disconnected { available, cause: order.cause }),
        (Action::Reconnect, order::State::Confirmed) => Some(Notice::Restored { available }),
        (Action::Reconnect, order::State::AwaitingCustomer) => Some(Notice::PressButton { meter: address.to_owned() }),
        _ => None,
    }
}
