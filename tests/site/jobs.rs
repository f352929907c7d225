//! Jobs: what comes once for each local day is claimed by one process at a time, goes on after a crash where it was left,
//! and no account keeps the others waiting. Time passes by a clock that is set by hand.

use std::sync::Arc;

use domain::{
    ids::SiteId,
    money::Money,
    reading::Kind,
    tariff::{Every, FixedCharge},
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp, civil::date};
use store::{
    Db,
    job::{Job, JobKind, JobState},
};
use wattgate::{
    app::App,
    jobs,
    operations::{
        Error,
        job::{self, Claim},
        open_account::{self, OpenAccount},
        register::{self, NewAccount, NewCustomer, NewMeter},
        settle,
        tariffs::NewTariff,
    },
    settings,
};

use super::settlement::{CREDIT, kwh};
use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    a_day_is_settled_by_a_job_once,
    a_job_that_a_crash_left_goes_on_behind_the_last_chunk,
    an_account_that_cannot_be_settled_does_not_keep_the_others,
    fixed_charges_of_a_day_are_a_job,
    a_job_is_claimed_by_one_of_many_and_again_after_a_clock_that_was_ahead,
);

/// Jobs are run by the tests alone, two accounts a transaction.
const BY_HAND: &str = "[jobs]\naccounts_per_transaction = 2\nsettle_s = 3600\nfixed_charges_s = 3600\n";

fn at(now: &str) -> Timestamp {
    format!("2026-05-{}:00+08:00", now.replace(' ', "T")).parse().unwrap()
}

/// Five homes on one site at 1 CNY per kWh and 0.30 a day, opened on 4 May at 8 o'clock.
struct Street {
    app: App,
    clock: SetByHand,
    homes: Vec<Home>,
}

impl Street {
    async fn open(database: &Database) -> Self {
        let settings = settings::read(Some(&format!("{BY_HAND}{}", database.toml())), None).unwrap();
        let clock = SetByHand::new(at("04 08:00"));
        let db = Db::open(&settings.database).unwrap();
        let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
        app.start(1).await.unwrap();
        let daily = FixedCharge { name: "service".to_owned(), every: Every::Day, amount: Money::new(30) };
        let tariff = NewTariff { fixed_charges: Some(vec![daily]), ..by_blocks(flat("1")) };
        let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
        let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: CREDIT };
        let mut homes = vec![Home::enter(&app, &clock, terms).await];
        for nth in 2..=5 {
            let next = homes[0].neighbour(nth).await;
            homes.push(next);
        }
        // Identifiers do not tell which is older.
        homes.sort_by_key(|home| home.account);
        Self { app, clock, homes }
    }

    fn site(&self) -> SiteId {
        self.homes[0].account.site()
    }

    /// 10 kWh each on 4 May, as two readings around its midnight tell at noon.
    async fn used_and_not_frozen(&self) {
        for (now, total) in [("04 22:00", "1008"), ("05 02:00", "1012")] {
            self.clock.set(at(now));
            for home in &self.homes {
                home.arrives(&[home.observation(Kind::Instant, at(now), kwh(total))]).await;
            }
        }
    }

    async fn settled(&self) -> Vec<usize> {
        let mut settled = Vec::new();
        for home in &self.homes {
            let account = home.account;
            let days = self.app.db.read(move |conn| store::settled_day::history(conn, account, None)).await.unwrap();
            settled.push(days.len());
        }
        settled
    }

    async fn jobs(&self, kind: JobKind) -> Vec<Job> {
        let site = self.site();
        let jobs = self.app.db.read(move |conn| store::job::page(conn, site, None, 10)).await.unwrap();
        jobs.into_iter().filter(|job| job.kind == kind).collect()
    }

    async fn claim(&self) -> Claim {
        job::claim(&self.app, self.site(), JobKind::Settlement, date(2026, 5, 4)).await.unwrap()
    }

    async fn closed(self) {
        for home in &self.homes {
            home.explained().await;
        }
        self.homes[0].audited().await;
        self.app.stop().await;
    }
}

impl Home {
    /// A further home on the same site, with the same tariff.
    async fn neighbour(&self, nth: u16) -> Self {
        let (account, meter, app) = (self.account, self.meter, &self.app);
        let read = move |conn: &mut store::Conn| {
            Ok::<_, store::Error>((store::account::by_id(conn, account)?, store::meter::by_id(conn, meter)?))
        };
        let (row, meter) = app.db.read(read).await.unwrap();
        let new = NewMeter {
            concentrator_id: meter.concentrator_id,
            name: format!("Home {nth}"),
            address: format!("2026000000{nth:02}"),
            point: None,
            port: None,
            profile: "dlt645_direct".to_owned(),
        };
        let meter = register::meter(app, new).await.unwrap().id;
        let new = NewCustomer { site_id: account.site(), name: "Wu".to_owned(), phone: None, language: None };
        let customer_id = register::customer(app, new).await.unwrap().id;
        let new = NewAccount { customer_id, tariff_id: row.tariff_id, number: None };
        let account = register::account(app, new).await.unwrap().id;
        let opening = OpenAccount {
            meter_id: meter,
            multiplier: None,
            initial_reading: Some(kwh("1000")),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(CREDIT)),
            opening_debt: None,
            confirmed: false,
            relay_waiver: None,
        };
        open_account::open(app, account, opening, &format!("open-{nth}"), "tests").await.unwrap();
        Self { app: app.clone(), clock: self.clock.clone(), meter, account }
    }
}

async fn a_day_is_settled_by_a_job_once(database: Database) {
    let street = Street::open(&database).await;
    street.used_and_not_frozen().await;
    street.clock.set(at("05 11:59"));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 0, "freezes may still come");
    assert_eq!(street.jobs(JobKind::Settlement).await, []);
    street.clock.set(at("05 12:00"));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 5);
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 0);
    let [done] = &street.jobs(JobKind::Settlement).await[..] else { panic!("one job") };
    assert_eq!((done.day, done.state, done.attempts), (date(2026, 5, 4), JobState::Done, 1));
    assert_eq!((done.accounts, done.entries, done.failures), (5, 5, 0));
    assert_eq!((done.cursor, done.ended_at), (Some(street.homes[4].account), Some(at("05 12:00"))));
    street.closed().await;
}

async fn a_job_that_a_crash_left_goes_on_behind_the_last_chunk(database: Database) {
    let street = Street::open(&database).await;
    street.used_and_not_frozen().await;
    street.clock.set(at("05 12:00"));
    let Claim::Ours(crashed) = street.claim().await else { panic!("nobody has it") };
    let (last, days) = settle::settle_behind(&street.app, street.site(), None, Some(&crashed)).await.unwrap();
    assert_eq!((last, days), (Some(street.homes[1].account), 2));
    assert_eq!(street.settled().await, [1, 1, 0, 0, 0]);

    street.clock.pass(SignedDuration::from_secs(29));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 0, "it is somebody else's");
    street.clock.pass(SignedDuration::from_secs(1));
    let Claim::Ours(next) = street.claim().await else { panic!("its deadline is over") };
    assert_eq!(next.cursor(), last, "where the other was; then it crashes, too");
    // The other was slow, not dead.
    let slow = settle::settle_behind(&street.app, street.site(), last, Some(&crashed)).await;
    assert!(matches!(slow, Err(Error::Conflict { .. })), "{slow:?}");
    assert!(matches!(crashed.end(&street.app).await, Err(Error::Conflict { .. })));
    assert_eq!(street.settled().await, [1, 1, 0, 0, 0], "it changed nothing");

    street.clock.pass(SignedDuration::from_secs(30));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 3);
    assert_eq!(street.settled().await, [1; 5]);
    let [done] = &street.jobs(JobKind::Settlement).await[..] else { panic!("one job") };
    assert_eq!((done.state, done.attempts, done.accounts, done.entries), (JobState::Done, 3, 5, 5));
    street.closed().await;
}

async fn an_account_that_cannot_be_settled_does_not_keep_the_others(database: Database) {
    let street = Street::open(&database).await;
    street.used_and_not_frozen().await;
    // One has a tariff without any price.
    let (site, account) = (street.site(), street.homes[2].account);
    let priced = street.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().tariff_id;
    let set = |tariff| {
        street.app.db.write(move |conn| {
            let mut row = store::account::lock(conn, account)?;
            row.tariff_id = tariff;
            store::account::save(conn, &row)
        })
    };
    let enter = move |conn: &mut store::Conn| {
        let empty = store::tariff::Tariff { id: store::ids::next(conn, site)?, name: "Empty".to_owned() };
        store::tariff::insert(conn, &empty)?;
        Ok::<_, store::Error>(empty.id)
    };
    set(street.app.db.write(enter).await.unwrap()).await.unwrap();

    street.clock.set(at("05 12:00"));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 4);
    assert_eq!(street.settled().await, [1, 1, 0, 1, 1]);
    let [done] = &street.jobs(JobKind::Settlement).await[..] else { panic!("one job") };
    assert_eq!((done.state, done.accounts, done.failures), (JobState::Done, 4, 1));

    set(priced).await.unwrap();
    street.clock.set(at("05 12:01"));
    assert_eq!(jobs::settle_open(&street.app).await.unwrap(), 1, "the next look tries again");
    street.closed().await;
}

async fn fixed_charges_of_a_day_are_a_job(database: Database) {
    let street = Street::open(&database).await;
    assert_eq!(jobs::charge_fixed(&street.app).await.unwrap(), 0, "the day was paid at the opening");
    street.clock.set(at("05 00:00"));
    assert_eq!(jobs::charge_fixed(&street.app).await.unwrap(), 5);
    assert_eq!(jobs::charge_fixed(&street.app).await.unwrap(), 0);
    // Nobody looked for two days: one job, three days of charges.
    street.clock.set(at("08 00:00"));
    assert_eq!(jobs::charge_fixed(&street.app).await.unwrap(), 5);
    let all = street.jobs(JobKind::FixedCharges).await;
    let told: Vec<_> = all.iter().map(|job| (job.day, job.state, job.accounts)).collect();
    let done = |day, accounts| (date(2026, 5, day), JobState::Done, accounts);
    assert_eq!(told, [done(8, 5), done(5, 5), done(4, 0)]);
    let account = street.homes[0].account;
    let posted = street.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().posted;
    assert_eq!(posted, Money::new(CREDIT - 5 * 30), "4 to 8 May");
    street.closed().await;
}

async fn a_job_is_claimed_by_one_of_many_and_again_after_a_clock_that_was_ahead(database: Database) {
    let street = Street::open(&database).await;
    street.clock.set(at("06 12:00"));
    let claims = join_all((0..8).map(|_| street.claim())).await;
    assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Ours(_))).count(), 1);
    assert!(matches!(street.claim().await, Claim::Theirs));
    // The clock was a day ahead; nobody waits for that.
    street.clock.set(at("05 12:00"));
    let Claim::Ours(run) = street.claim().await else { panic!("it is free") };
    run.end(&street.app).await.unwrap();
    assert!(matches!(street.claim().await, Claim::Done));
    street.closed().await;
}
