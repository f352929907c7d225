//! Opening an account (开户): a customer, a meter, a tariff and a first reading; from then on energy costs money.

use domain::{
    account::State,
    bug::{Bug, is_planted},
    calendar::day_of,
    energy::Energy,
    ids::{AccountId, MeterId},
    ledger::{self, LedgerAccount, TransactionKind},
    money::Money,
    notice::Notice,
    reading::registers::ByPeriod,
    relay::proof,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, account::Account};
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance,
    begin_installation::{Beginning, begin, check_meter, forget_causes, multiplier},
    books::Books,
    boundary_reading::{Shown, Source},
    debts::{self, Debt},
    decide_relay, fixed_charges, label, notices, once,
    post::{Entry, post},
};
use crate::{app::App, changes::Changed, settings::Settings};

/// What an account is opened with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAccount {
    /// The meter at the supply.
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
    /// Why the reading was entered by hand.
    pub reason: Option<String>,
    /// Whether somebody looked twice: the entered reading stands though it does not agree with what was known of the meter. `false` if
    /// absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
    /// Why the meter need not be cut once as a test of its relay, where cuts are automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_waiver: Option<String>,
    /// What the account brings along, in minor units; negative where it owes.
    #[schema(value_type = Option<i64>)]
    pub opening_credit: Option<Money>,
    /// What is owed apart from that, in minor units, and recovered from vends on the settings' terms.
    #[schema(value_type = Option<i64>, minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening_debt: Option<Money>,
}

/// Opens an account.
///
/// # Errors
/// A conflict where the key was used with other content or the account is open already; a refusal by the rule that
/// stands against it.
pub async fn open(app: &App, id: AccountId, new: OpenAccount, key: &str, by: &str) -> Result<Account, Error> {
    if new.meter_id.site() != id.site() {
        return Err(Error::field("meter", "meter_id", "belongs to another site"));
    }
    multiplier(new.multiplier)?;
    let asked = once::Asked::new(id.site(), key, &("open_account", id, &new))?;
    let earlier = asked.clone();
    if app.db.read(move |conn| once::find::<AccountId>(conn, &earlier)).await?.is_none() {
        let (wanted, settings) = (new.clone(), app.settings.clone());
        let ready = move |conn: &mut Conn| {
            pending(&store::account::by_id(conn, id)?)?;
            check_meter(conn, wanted.meter_id)?;
            check_relay(conn, &settings, &wanted)
        };
        app.db.read(ready).await?;
        let first = Source::of(
            app,
            new.meter_id,
            Shown::of(new.initial_reading, &new.initial_registers, new.confirmed, "initial_reading")?,
            by,
        )
        .await?;
        write(app, id, (new, by.to_owned()), first, asked).await?;
    }
    app.db.read(move |conn| Ok(store::account::by_id(conn, id)?)).await
}

async fn write(
    app: &App,
    id: AccountId,
    (new, by): (OpenAccount, String),
    first: Source,
    asked: once::Asked,
) -> Result<(), Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let (meter, credit) = (new.meter_id, new.opening_credit.unwrap_or_default());
    let limit = settings.policy.vending.maximum_per_vend;
    if credit > limit || credit < -limit {
        return Err(Error::field("opening_credit", "opening_credit", format!("must be within {limit} minor units")));
    }
    let reviewed = app
        .db
        .write(move |conn| {
            let mut account = store::account::lock(conn, id)?;
            if once::find::<AccountId>(conn, &asked)?.is_some() {
                return Ok(None);
            }
            pending(&account)?;
            check_relay(conn, &settings, &new)?;
            let beginning = Beginning {
                meter,
                multiplier: multiplier(new.multiplier)?,
                source: first.clone(),
                reason: new.reason.as_deref(),
            };
            let installation = begin(conn, &settings, id, beginning, now)?;
            forget_causes(conn, meter)?;
            (account.state, account.opened_at) = (State::Active, Some(now));
            bring_along(conn, &settings, &mut account, &new, (&by, now))?;
            fixed_charges::post_until(conn, &mut account, now, settings.jobs.fixed_charge_days)?;
            let mut books = Books::load(conn, account)?;
            if books.tariff.at(day_of(installation.start_at, &books.zone)).is_none() {
                return Err(Error::refused("tariff_not_valid", "the account's tariff is not valid yet"));
            }
            let told = Notice::AccountOpened { balance: credit };
            notices::write(conn, &books.account, &books.tariff.currency, &told, now)?;
            let waiver = new.relay_waiver.as_ref().map(|why| format!("; relay not proven: {why}")).unwrap_or_default();
            let detail = format!("meter {meter} from {} kWh on{waiver}", installation.start_value);
            audit_line::write(conn, id.site(), (&by, now), "open_account", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &id, now)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            store::fault::point("open.written");
            Ok::<_, Error>(Some(reviewed))
        })
        .await?;
    let Some(reviewed) = reviewed else { return Ok(()) };
    store::fault::point("open.committed");
    if let Err(error) = balance::refresh(app, id).await {
        tracing::warn!(account = %id, %error, "a hot balance was not filled after opening");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account: id });
    Ok(())
}

/// Posts what an account brings along: its credit, and its debt.
fn bring_along(
    conn: &mut Conn,
    settings: &Settings,
    account: &mut Account,
    new: &OpenAccount,
    (by, now): (&str, Timestamp),
) -> Result<(), Error> {
    let (id, credit) = (account.id, new.opening_credit.unwrap_or_default());
    let entry = Entry {
        kind: TransactionKind::Opening,
        key: format!("opening:{id}"),
        object: format!("account:{id}"),
        postings: Vec::from_iter(ledger::opening(id, credit)),
    };
    post(conn, account, entry, now)?;
    if let Some(amount) = new.opening_debt.filter(|_| !is_planted(Bug::ForgetOpeningDebt)) {
        debts::check_amount(settings, account.debt, amount, "opening_debt")?;
        let (terms, source) = (settings.policy.debts.terms, LedgerAccount::Opening);
        let debt = Debt { amount, terms, source, reason: "brought along at the opening" };
        debt.enter(conn, account, format!("opening_debt:{id}"), (by, now))?;
    }
    Ok(())
}

/// Whether the meter's relay was proven, or need not be.
fn check_relay(conn: &mut Conn, settings: &Settings, new: &OpenAccount) -> Result<(), Error> {
    if let Some(why) = &new.relay_waiver {
        return label("relay_waiver", why).map(drop);
    }
    let (meter, site) = (store::meter::by_id(conn, new.meter_id)?, store::site::by_id(conn, new.meter_id.site())?);
    let control = settings.meter_profile(&meter.profile)?.wire.relay_control;
    if !proof::is_needed(control, &decide_relay::policy_of(settings, &site))
        || store::relay_order::was_cut(conn, new.meter_id)?
    {
        return Ok(());
    }
    let detail = "the meter's relay was never proven: cut it once and bring it back, or say in relay_waiver why not";
    Err(Error::field("relay_unproven", "meter_id", detail))
}

fn pending(account: &Account) -> Result<(), Error> {
    let told = match account.state {
        State::Pending => return Ok(()),
        State::Closed => "the account was closed: enter a new one",
        State::Active | State::Suspended => "the account is open already",
    };
    Err(Error::conflict("account_not_pending", told))
}
