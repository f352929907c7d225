//! What an operator says of readings: those entered by hand must agree with what the meter showed before, unless they were looked
//! at twice; what is suspect is found good, what was wrong is rejected, and the charges follow. Days pass by a clock that is
//! set by hand; the operations and the databases are the real ones.

use domain::{
    ids::ReadingId,
    money::Money,
    reading::{Kind, Quality},
};
use serde_json::json;
use wattgate::operations::{
    Error,
    close_account::{CloseAccount, FinalReading},
    ingest,
    judge_reading::{self, Finding},
    open_account::{self, OpenAccount},
    register::{self, NewAccount},
    replace_meter::{self, ReplaceMeter},
};

use super::{
    account_life::{closing, code},
    settlement::{CREDIT, kwh},
};
use crate::support::{Court, Database, HeadEnd, Home, Terms, by_blocks, flat, on_both};

on_both!(
    an_initial_reading_agrees_with_what_the_meter_showed_or_is_looked_at_twice,
    an_account_that_began_with_a_wrong_reading_is_closed_with_a_right_one,
    a_meter_that_began_with_a_wrong_reading_goes_on_from_a_right_one,
    a_suspect_reading_is_found_good_and_costs_money_from_then_on,
    a_reading_is_rejected_and_what_it_cost_is_given_back,
    what_bounds_an_installation_or_is_to_come_is_not_judged,
    a_meter_that_is_read_and_answers_otherwise_than_was_entered_is_told_so,
);

impl Home {
    /// Opens the next account of the meter, with a total that was entered.
    async fn next_account(&mut self, total: &str, confirmed: bool) -> Result<(), Error> {
        let (old, customer_id) = (self.account, self.customer("Wu").await);
        let tariff_id = self.app.db.read(move |conn| store::account::by_id(conn, old)).await.unwrap().tariff_id;
        let account = register::account(&self.app, NewAccount { customer_id, tariff_id, number: None }).await.unwrap();
        let opening = OpenAccount {
            meter_id: self.meter,
            multiplier: None,
            initial_reading: Some(kwh(total)),
            initial_registers: Default::default(),
            reason: Some("the meter was repaired".to_owned()),
            opening_credit: Some(Money::new(CREDIT)),
            opening_debt: None,
            confirmed,
            relay_waiver: None,
        };
        open_account::open(&self.app, account.id, opening, &format!("open-{total}"), "tests").await?;
        self.account = account.id;
        Ok(())
    }

    /// A reading that arrives now is doubted.
    async fn is_doubted(&self, kind: Kind, as_of: &str, total: &str) -> ReadingId {
        let reading = self.reading(kind, as_of, total);
        let acks = ingest::ingest(&self.app, vec![reading.clone()], true).await.unwrap();
        assert_eq!(acks[0].quality, Quality::Suspect, "{acks:?}");
        self.row(kind, as_of).await
    }

    async fn row(&self, kind: Kind, as_of: &str) -> ReadingId {
        let (meter, at) = (self.meter, self.reading(kind, as_of, "0").as_of);
        self.app.db.read(move |conn| store::reading::live_at(conn, meter, at, kind)).await.unwrap().unwrap().id
    }

    async fn finds(&self, id: ReadingId, quality: Quality) -> Result<Quality, Error> {
        let finding = Finding { quality, reason: "looked at the meter".to_owned() };
        judge_reading::judge(&self.app, id, finding, "operator").await.map(|row| row.quality)
    }

    /// Opened by mistake with 99999 kWh where the meter shows 1000.
    async fn mistyped(database: &Database) -> Self {
        let (time_zone, register) = ("Asia/Shanghai", kwh("99999"));
        let terms = Terms { nth: 1, time_zone, tariff: by_blocks(flat("1")), multiplier: 1, register, credit: CREDIT };
        Self::start(database, "2026-05-04T08:00:00+08:00".parse().unwrap(), terms).await
    }
}

async fn an_initial_reading_agrees_with_what_the_meter_showed_or_is_looked_at_twice(database: Database) {
    let mut home = Home::priced(&database, flat("1")).await;
    home.at("05 08:00");
    home.closes(closing(&home, "1010"), "close-1").await.unwrap();
    home.at("05 10:00");
    for wrong in ["9", "99999"] {
        assert_eq!(code(home.next_account(wrong, false).await), "implausible_reading", "{wrong}");
    }
    home.next_account("9", true).await.unwrap();
    home.at("05 12:00");
    home.arrives(&[home.reading(Kind::Instant, "05 12:00", "11")]).await;
    assert_eq!(home.used().await, (0, 200), "it counts from what was entered");
    home.closed().await;
}

async fn an_account_that_began_with_a_wrong_reading_is_closed_with_a_right_one(database: Database) {
    let mut home = Home::mistyped(&database).await;
    home.at("06 00:10");
    home.is_doubted(Kind::DailyFreeze, "06 00:00", "1020").await;
    assert_eq!(code(home.closes(closing(&home, "1021"), "close-1").await), "implausible_reading");
    let sure = |last: CloseAccount| {
        let sure = |one| FinalReading { confirmed: true, ..one };
        CloseAccount { final_readings: last.final_readings.into_iter().map(sure).collect(), ..last }
    };
    let statement = home.closes(sure(closing(&home, "1021")), "close-2").await.unwrap();
    assert_eq!((statement.balance, statement.meters[0].final_reading), (Money::new(CREDIT), kwh("1021")));
    home.at("06 01:00");
    assert_eq!(code(home.next_account("99999", false).await), "implausible_reading");
    home.next_account("1021", false).await.unwrap();
    home.at("06 02:00");
    home.arrives(&[home.reading(Kind::Instant, "06 02:00", "1023")]).await;
    assert_eq!(home.used().await, (0, 200));
    home.closed().await;
}

async fn a_meter_that_began_with_a_wrong_reading_goes_on_from_a_right_one(database: Database) {
    let home = Home::mistyped(&database).await;
    home.at("06 01:00");
    let again = ReplaceMeter {
        new_meter_id: None,
        multiplier: Some(1),
        final_reading: Some(kwh("1021")),
        final_registers: Default::default(),
        initial_reading: None,
        initial_registers: Default::default(),
        reason: Some("opened with a slip of the pen".to_owned()),
        confirmed: true,
    };
    let nothing = ReplaceMeter { final_reading: None, ..again.clone() };
    assert_eq!(code(replace_meter::replace(&home.app, home.meter, nothing, "right-0", "tests").await), "total_missing");
    let done = replace_meter::replace(&home.app, home.meter, again, "right-1", "tests").await.unwrap();
    assert_eq!(done.initial_reading, kwh("1021"));
    home.at("07 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "07 00:00", "1031")]).await;
    assert_eq!(home.used().await, (1000, 0), "nothing before, everything since");
    home.closed().await;
}

async fn a_suspect_reading_is_found_good_and_costs_money_from_then_on(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    home.at("05 00:10");
    // 1000 kWh in 16 hours: more than the meter's maximum current lets pass.
    let freeze = home.is_doubted(Kind::DailyFreeze, "05 00:00", "2000").await;
    assert_eq!((home.used().await, home.alarms("suspect_reading").await), ((0, 0), 1));
    home.at("05 09:00");
    assert_eq!(home.finds(freeze, Quality::Good).await.unwrap(), Quality::Good);
    assert_eq!(home.used().await, (100_000, 0), "the day is settled with it");
    assert_eq!(home.finds(freeze, Quality::Good).await.unwrap(), Quality::Good, "again");
    home.arrives(&[home.reading(Kind::Instant, "05 09:00", "2003")]).await;
    assert_eq!(home.used().await, (100_000, 300), "what follows agrees with it");
    let (meter, account) = (home.meter, home.account);
    let log = home.app.db.read(move |conn| store::audit_line::page(conn, account.site(), None, 1)).await.unwrap();
    assert_eq!((log[0].verb.as_str(), log[0].object.as_str()), ("judge_reading", format!("meter:{meter}").as_str()));
    home.closed().await;
}

async fn a_reading_is_rejected_and_what_it_cost_is_given_back(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1100")]).await;
    home.at("05 01:00");
    home.arrives(&[home.reading(Kind::Instant, "05 01:00", "1101")]).await;
    assert_eq!(home.used().await, (10_000, 100));
    let (freeze, poll) = (home.row(Kind::DailyFreeze, "05 00:00").await, home.row(Kind::Instant, "05 01:00").await);
    home.finds(poll, Quality::Rejected).await.unwrap();
    assert_eq!(home.used().await, (10_000, 0), "the balance goes back with the newest reading");
    home.finds(freeze, Quality::Rejected).await.unwrap();
    let again =
        ingest::ingest(&home.app, vec![home.reading(Kind::DailyFreeze, "05 00:00", "1100")], true).await.unwrap();
    assert_eq!((again[0].quality, again[0].duplicate), (Quality::Rejected, true), "coming again does not make it good");
    home.at("05 02:00");
    // 1010 kWh after 18 hours of which 16 were yesterday's.
    home.arrives(&[home.reading(Kind::Instant, "05 02:00", "1018")]).await;
    assert_eq!(home.used().await, (1600, 200), "interpolated in its place");
    home.finds(freeze, Quality::Good).await.unwrap();
    assert_eq!(home.used().await, (10_000, 0), "and what was rejected by mistake counts again");
    home.closed().await;
}

async fn what_bounds_an_installation_or_is_to_come_is_not_judged(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let first = home.row(Kind::Initial, "04 08:00").await;
    assert_eq!(
        code(home.finds(first, Quality::Rejected).await),
        "reading_not_judged",
        "entered, neither good nor suspect"
    );
    assert_eq!(code(home.finds(first, Quality::Estimated).await), "quality");
    home.at("04 10:00");
    let ahead = home.is_doubted(Kind::Instant, "04 12:00", "1001").await;
    assert_eq!(code(home.finds(ahead, Quality::Good).await), "in_the_future");
    home.at("04 11:55");
    assert_eq!(home.finds(ahead, Quality::Good).await.unwrap(), Quality::Good, "its time has come");
    home.arrives(&[home.reading(Kind::Instant, "04 11:55", "1001")]).await;
    assert_eq!(home.used().await, (0, 100));
    home.closed().await;
}

async fn a_meter_that_is_read_and_answers_otherwise_than_was_entered_is_told_so(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    let opening = json!({ "meter_id": hero.meter, "initial_reading": "400000", "reason": "read on site" });
    let open = format!("/accounts/{}/open", hero.account);
    assert_eq!(rest.post_once(&open, "open-1", &opening).await.problem(), (422, "implausible_reading"));
    let sure =
        json!({ "meter_id": hero.meter, "initial_reading": "400000", "reason": "read on site", "confirmed": true });
    rest.post_once(&open, "open-2", &sure).await.ok();

    let closing = json!({ "reason": "moved out", "tender": "cash", "terminal": "till-1" });
    let close = format!("/accounts/{}/close", hero.account);
    assert_eq!(rest.post_once(&close, "close-1", &closing).await.problem(), (422, "suspect_reading"));
    let readings = hero.readings(rest, jiff::Timestamp::UNIX_EPOCH).await;
    let suspect = readings.iter().rfind(|reading| reading["quality"] == "suspect").unwrap();
    let path = format!("/readings/{}/quality", suspect["id"].as_str().unwrap());
    let finding = json!({ "quality": "good", "reason": "it was entered with a slip of the pen" });
    assert_eq!(rest.put(&path, &finding).await["quality"], "good");
    let statement = rest.post_once(&close, "close-2", &closing).await.ok();
    assert_eq!(statement["balance"], 0, "{statement}");
    head_end.audited().await;
}
