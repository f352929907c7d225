//! A home of which there are only the rows: a meter, a customer and an open account, on a clock that is set by hand.
//! Nothing dials in; what the field would send is handed to the operations.

use std::sync::{Arc, Mutex};

use actors::Clock;
use domain::{
    energy::Energy,
    ids::{AccountId, MeterId, SiteId},
    ledger::TransactionKind,
    money::{Exact, Money},
    reading::{Kind, Observation, Registers, TimeSource},
};
use jiff::{SignedDuration, Timestamp, civil::date};
use wattgate::{
    app::App,
    audit,
    operations::{
        Error,
        explain::{self, Moment, Span},
        open_account::{self, OpenAccount},
        register::{self, NewAccount, NewConcentrator, NewCustomer, NewMeter, NewSite},
        tariffs::{self, NewBlock, NewTariff, NewVersion},
    },
    settings::ExplainSettings,
};

/// Rows the audit reads at once: few, so that it pages.
const AUDIT_ROWS: i64 = 3;

/// A clock that stands until it is set.
#[derive(Clone)]
pub struct SetByHand(Arc<Mutex<Timestamp>>);

impl SetByHand {
    /// A clock that stands here.
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(at)))
    }

    /// Sets it, forwards or back.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap() = to;
    }

    /// Lets so much time pass.
    pub fn pass(&self, time: SignedDuration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for SetByHand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What a home is entered with.
pub struct Terms {
    /// Which home of its database it is, from 1.
    pub nth: u16,
    /// Where its days begin.
    pub time_zone: &'static str,
    /// What energy costs.
    pub tariff: NewTariff,
    /// CT x PT.
    pub multiplier: u32,
    /// What the register shows at the opening.
    pub register: Energy,
    /// What the account brings along, in fen.
    pub credit: i64,
}

/// One meter and its account, alone on a site of its own.
pub struct Home {
    /// The program.
    pub app: App,
    /// Its clock.
    pub clock: SetByHand,
    /// The meter.
    pub meter: MeterId,
    /// The account.
    pub account: AccountId,
}

impl Home {
    /// Enters a home and opens its account, at the present of the clock.
    pub async fn enter(app: &App, clock: &SetByHand, terms: Terms) -> Self {
        let site = NewSite {
            name: format!("Garden {}", terms.nth),
            time_zone: terms.time_zone.to_owned(),
            currency: None,
            currency_exponent: None,
        };
        let site_id = register::site(app, site).await.unwrap().id;
        let concentrator = NewConcentrator {
            site_id,
            name: "C1".to_owned(),
            region: "1101".to_owned(),
            terminal: terms.nth,
            profile: "standard".to_owned(),
        };
        let concentrator_id = register::concentrator(app, concentrator).await.unwrap().id;
        let meter = NewMeter {
            concentrator_id,
            name: "Home".to_owned(),
            address: "202600000001".to_owned(),
            point: None,
            port: None,
            profile: "dlt645_direct".to_owned(),
        };
        let meter = register::meter(app, meter).await.unwrap().id;
        let tariff = NewTariff { site_id, ..terms.tariff };
        let tariff_id = tariffs::enter(app, tariff, "tests").await.unwrap().0.id;
        let customer = NewCustomer { site_id, name: "Li Hua".to_owned(), phone: None, language: None };
        let customer_id = register::customer(app, customer).await.unwrap().id;
        let account = register::account(app, NewAccount { customer_id, tariff_id, number: None }).await.unwrap().id;
        let opening = OpenAccount {
            meter_id: meter,
            multiplier: Some(terms.multiplier),
            initial_reading: Some(terms.register),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(terms.credit)),
            opening_debt: None,
            confirmed: false,
            relay_waiver: None,
        };
        open_account::open(app, account, opening, "open-1", "tests").await.unwrap();
        Self { app: app.clone(), clock: clock.clone(), meter, account }
    }

    /// Enters the version that follows the one the home was entered with.
    pub async fn price_change(&self, version: NewVersion) {
        let account = self.account;
        let tariff = self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().tariff_id;
        tariffs::enter_version(&self.app, tariff, version, "tests").await.unwrap();
    }

    /// An answer that arrives now: the register stood so then.
    pub fn observation(&self, kind: Kind, as_of: Timestamp, total: Energy) -> Observation {
        Observation {
            meter: self.meter,
            as_of,
            time_source: TimeSource::Concentrator,
            received_at: self.clock.now(),
            copied_at: None,
            kind,
            registers: Registers { total, periods: [None; 5], reverse: None },
            resolution: Energy::new(1),
            identity_verified: true,
        }
    }

    /// Explains all that was ever posted: nothing differs from the books, every amount is the sum of its lines, exactly
    /// with its carry, and one balance follows the other.
    pub async fn explained(&self) {
        let (account, limits) = (self.account, ExplainSettings { days: 10_000, transactions: 10_000, rows: 7 });
        let span = Span { from: Moment::Date(date(2020, 1, 1)), to: Moment::Date(date(2030, 1, 1)) };
        let read = move |conn: &mut store::Conn| {
            let posted = store::transaction::of_account(conn, account, 0, 10_000)?.len();
            Ok::<_, Error>((explain::explain(conn, account, span, &limits)?, posted))
        };
        let (told, posted) = self.app.db.read(read).await.unwrap();
        assert!(told.agrees(), "{told:#?}");
        assert_eq!(told.transactions.len(), posted);
        let (mut balance, mut carry) = (told.balance_before, told.carry_before);
        for transaction in &told.transactions {
            assert_eq!(transaction.balance_before, balance);
            balance = balance + transaction.amount;
            assert_eq!(transaction.balance_after, balance);
            assert_eq!(transaction.carry_before, carry);
            carry = transaction.carry_after;
            if let Some(fixed) = &transaction.fixed_charge {
                assert_eq!(fixed.parts.iter().map(|part| part.amount).sum::<Money>(), -transaction.amount);
            }
            let Some(charge) = &transaction.energy_charge else {
                let others = [TransactionKind::Charge, TransactionKind::Correction];
                assert!(!others.contains(&transaction.kind), "{transaction:#?}");
                assert_eq!(transaction.carry_before, carry);
                continue;
            };
            assert_eq!(charge.posted, -transaction.amount);
            assert_eq!(charge.lines.iter().map(|line| line.amount).sum::<Money>(), charge.posted);
            assert_eq!(charge.lines.iter().map(|line| line.cost).sum::<Exact>(), charge.cost);
            assert_eq!(charge.cost, charge.cost_after - charge.cost_before);
            assert_eq!(charge.cost + transaction.carry_before, Exact::of(charge.posted, &told.currency) + carry);
            assert!(!charge.days.is_empty());
            for day in &charge.days {
                assert_eq!(day.energies.iter().map(|part| part.energy).sum::<Energy>(), day.energy);
                assert!(day.ends.iter().all(|end| !end.readings.is_empty() && end.value >= end.told), "{day:#?}");
            }
        }
        assert_eq!((balance, carry), (told.balance_after, told.carry_after));
    }

    /// Replays every balance and every order of the database; nothing may differ.
    pub async fn audited(&self) -> audit::Audit {
        let audit = self.app.db.read(|conn| audit::all(conn, AUDIT_ROWS)).await.unwrap();
        assert!(audit.differences.is_empty(), "{:#?}", audit.differences);
        audit
    }
}

/// Prices by blocks alone, over months, from the day of the entry on.
pub fn by_blocks(blocks: Vec<NewBlock>) -> NewTariff {
    NewTariff {
        site_id: SiteId::new(1).unwrap(),
        name: "Homes".to_owned(),
        valid_from: None,
        blocks,
        time_of_use: None,
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: None,
        tax_rate_ppm: None,
        minimum_vend: None,
    }
}

/// A price per kWh that holds whatever was used.
pub fn flat(price: &str) -> Vec<NewBlock> {
    vec![NewBlock { upto_kwh: None, price: price.parse().unwrap() }]
}
