//! What customers are told and when, by a clock that is set by hand: quiet hours, changes of prices, and warnings that are served
//! by hand because no channel takes them. Nothing runs by itself.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    ids::{AccountId, TariffId},
    ledger::Tender,
    money::Money,
    notice::{Kind, State},
    reading,
    relay::{Action, RelayReading, RelayState, decide::Guard},
};
use jiff::{Timestamp, civil::date};
use store::{Db, notice::Notice};
use wattgate::{
    app::App,
    operations::{
        by_hand::{self, Served},
        change_tariff::{self, ChangeTariff},
        decide_relay, ingest, notices, price_change, record_order,
        register::{self, NewAccount},
        tariffs::{self, NewTariff, NewVersion},
        vend::{self, Vend},
    },
    settings,
};

use super::{replacement::code, settlement::kwh};
use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    what_can_wait_is_handed_over_in_the_morning_and_what_cannot_at_once,
    a_retry_keeps_quiet_hours_too,
    what_is_over_by_the_morning_is_not_told,
    every_account_is_told_of_a_version_once_whoever_goes_on_with_it,
    who_changes_to_a_tariff_is_told_by_the_change_and_not_once_more,
    a_warning_that_no_channel_takes_is_served_by_hand_and_its_lead_runs_from_then,
    a_warning_that_its_channel_gave_up_is_served_by_hand,
    a_warning_that_nobody_served_alarms_once_until_nothing_is_left_to_warn_of,
);

/// A cut needs a warning served a day before and nothing else.
const UNGUARDED: &str = r#"
[policy.relay]
proven_before_opening = false

[policy.disconnection]
automatic = "on"
friendly_hours = []
protected_weekdays = []
seen_again_grace = "0s"
"#;

const NO_CHANNEL: &str = "[policy.notices]\nchannel = \"none\"\n";

pub(super) const CONNECTED: RelayReading =
    RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };

fn may(now: &str) -> Timestamp {
    format!("2026-05-{}:00+08:00", now.replace(' ', "T")).parse().unwrap()
}

/// A program that nobody started on this database.
fn program(database: &Database, clock: &SetByHand, extra: &str) -> App {
    let settings = settings::read(Some(&format!("{}{extra}{}", UNGUARDED, database.toml())), None).unwrap();
    let db = Db::open(&settings.database).unwrap();
    App::new(settings, db, Arc::new(clock.clone())).unwrap()
}

/// A home at 1 CNY per kWh, opened on 4 May at 8 o'clock, whose relay is closed.
pub(super) async fn home(database: &Database, extra: &str, credit: i64) -> Home {
    let clock = SetByHand::new(may("04 08:00"));
    let app = program(database, &clock, extra);
    let (time_zone, tariff) = ("Asia/Shanghai", by_blocks(flat("1")));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register: kwh("1000"), credit };
    let home = Home::enter(&app, &clock, terms).await;
    record_order::relay_seen(&app, home.meter, CONNECTED, may("04 08:00")).await.unwrap();
    home
}

impl Home {
    async fn notices(&self, account: AccountId) -> Vec<Notice> {
        self.app.db.read(move |conn| store::notice::of_account(conn, account, None, 100)).await.unwrap()
    }

    /// How far an account's notices of a kind are, the newest first.
    pub(super) async fn states(&self, kind: Kind) -> Vec<State> {
        let all = self.notices(self.account).await;
        all.iter().filter(|notice| notice.kind == kind).map(|notice| notice.state).collect()
    }

    pub(super) async fn sends(&self) -> usize {
        notices::send_due(&self.app, 100).await.unwrap()
    }

    pub(super) async fn pays_in(&self, key: &str, fen: i64) {
        let (currency, terminal) = ("CNY".to_owned(), "counter-1".to_owned());
        let vend = Vend { account_id: self.account, amount: Money::new(fen), currency, tender: Tender::Cash, terminal };
        vend::vend(&self.app, vend, key, "tests").await.unwrap();
    }

    async fn tariff(&self) -> TariffId {
        let account = self.account;
        self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().tariff_id
    }

    async fn another_tariff(&self, name: &str, price: &str) -> TariffId {
        let (site_id, name) = (self.account.site(), name.to_owned());
        let new = NewTariff { site_id, name, ..by_blocks(flat(price)) };
        tariffs::enter(&self.app, new, "tests").await.unwrap().0.id
    }

    /// A further account, not opened yet.
    async fn next_door(&self, tariff_id: TariffId) -> AccountId {
        let customer_id = self.customer("Wu").await;
        register::account(&self.app, NewAccount { customer_id, tariff_id, number: None }).await.unwrap().id
    }

    async fn changes_to(&self, account: AccountId, tariff_id: TariffId, day: i8, key: &str) {
        let to = ChangeTariff { tariff_id, valid_from: Some(date(2026, 5, day)), reason: "a shop".to_owned() };
        change_tariff::change(&self.app, account, to, key, "tests").await.unwrap();
    }

    /// A version at this price from a day of May on.
    async fn costs(&self, tariff: TariffId, day: i8, price: &str) {
        let version = NewVersion {
            valid_from: date(2026, 5, day),
            blocks: flat(price),
            time_of_use: None,
            window_start_day: None,
            window_start_month: None,
            prorate_opening: None,
            fixed_charges: None,
            tax_rate_ppm: None,
            minimum_vend: None,
        };
        tariffs::enter_version(&self.app, tariff, version, "tests").await.unwrap();
    }

    /// What an account was told of prices, in English, the oldest first; without its number.
    async fn prices_told(&self, account: AccountId) -> Vec<String> {
        let all = self.notices(account).await;
        let of_prices = all.iter().rev().filter(|notice| notice.kind == Kind::PriceChange);
        of_prices.map(|notice| notice.text_en.split_once(": ").unwrap().1.to_owned()).collect()
    }

    async fn by_hand(&self) -> Vec<Notice> {
        let site = self.account.site();
        self.app.db.read(move |conn| store::notice::by_hand(conn, site, None, 100)).await.unwrap()
    }

    /// The alarms of warnings that were not served: whether each still stands, the newest first.
    async fn not_served(&self) -> Vec<bool> {
        let site = self.account.site();
        let all = self.app.db.read(move |conn| store::alarm::page(conn, site, false, None, 100)).await.unwrap();
        let ours = all.iter().filter(|alarm| alarm.kind == "warning_not_served");
        ours.map(|alarm| alarm.cleared_at.is_none()).collect()
    }

    /// The meter is read now.
    pub(super) async fn shows(&self, total: &str) {
        let seen = vec![vec![self.observation(reading::Kind::Instant, self.app.clock.now(), kwh(total))]];
        let settings = self.app.settings.clone();
        self.app.db.write(move |conn| ingest::write(conn, &settings, &seen)).await.unwrap();
        decide_relay::review(&self.app, self.account).await.unwrap();
    }

    /// The meter is read, and nothing was used: what holds the cut that is due, or that it is ordered.
    pub(super) async fn cut(&self) -> Result<Action, Vec<Guard>> {
        self.shows("1000").await;
        let meter = self.meter;
        let read = move |conn: &mut store::Conn| {
            Ok::<_, store::Error>((
                store::relay_order::live_of(conn, meter)?,
                store::supply_wait::of_meter(conn, meter)?,
            ))
        };
        let (order, wait) = self.app.db.read(read).await.unwrap();
        order.map(|order| order.action).ok_or_else(|| wait.map(|wait| wait.guards).unwrap_or_default())
    }

    async fn serves(&self, notice: &Notice, at: &str, how: &str) -> Result<Notice, wattgate::operations::Error> {
        let how = Served { served_at: may(at), how: how.to_owned() };
        by_hand::serve(&self.app, notice.id, how, "tests").await
    }

    /// A notice by a channel that this program does not have.
    async fn by_sms(&self, kind: Kind, at: &str) {
        let (account_id, at) = (self.account, may(at));
        let write = move |conn: &mut store::Conn| {
            let (text_zh, text_en) = ("短信".to_owned(), "by sms".to_owned());
            let notice = Notice {
                id: store::ids::next(conn, account_id.site())?,
                account_id,
                kind,
                channel: "sms".to_owned(),
                language: domain::notice::Language::Zh,
                text_zh,
                text_en,
                state: State::Queued,
                attempts: 0,
                created_at: at,
                next_attempt_at: Some(at),
                sent_at: None,
                by_hand_since: None,
                by_hand_ended_at: None,
                served_at: None,
                served_how: None,
                served_by: None,
            };
            store::notice::insert(conn, &notice)
        };
        self.app.db.write(write).await.unwrap();
    }
}

async fn what_can_wait_is_handed_over_in_the_morning_and_what_cannot_at_once(database: Database) {
    let home = home(&database, "", 10_000).await;
    assert_eq!(home.sends().await, 1, "the account is opened by day");
    home.clock.set(may("04 23:00"));
    let shops = home.another_tariff("Shops", "2").await;
    home.changes_to(home.account, shops, 6, "change-1").await;
    home.pays_in("vend-1", 1_000).await;
    assert_eq!(home.sends().await, 1);
    assert_eq!(home.states(Kind::VendReceipt).await, [State::Sent], "somebody waits for it");
    for now in ["04 23:01", "05 06:59"] {
        home.clock.set(may(now));
        assert_eq!(home.sends().await, 0, "{now}");
    }
    assert_eq!(home.states(Kind::PriceChange).await, [State::Queued]);
    home.clock.set(may("05 07:00"));
    assert_eq!(home.sends().await, 1);
    assert_eq!(home.states(Kind::PriceChange).await, [State::Sent]);
    home.audited().await;
}

async fn what_is_over_by_the_morning_is_not_told(database: Database) {
    let home = home(&database, "", 5_000).await;
    home.sends().await;
    home.clock.set(may("04 22:30"));
    home.shows("1049").await;
    assert_eq!(home.states(Kind::LowBalance1).await, [State::Queued]);
    home.sends().await;
    home.clock.set(may("04 23:00"));
    home.pays_in("in-time", 50_000).await;
    home.clock.set(may("05 07:00"));
    home.sends().await;
    assert_eq!(home.states(Kind::LowBalance1).await, [State::Overtaken], "there is money again");
    assert_eq!(home.states(Kind::VendReceipt).await, [State::Sent]);
    home.clock.set(may("06 12:00"));
    home.shows("1549").await;
    home.sends().await;
    assert_eq!(home.states(Kind::LowBalance1).await, [State::Sent, State::Overtaken], "the next fall is told");
    home.audited().await;
}

async fn a_retry_keeps_quiet_hours_too(database: Database) {
    let home = home(&database, "[policy.notices]\nretry_first = \"60s\"\n", 10_000).await;
    assert_eq!(home.sends().await, 1);
    home.by_sms(Kind::Restored, "04 21:59").await;
    let attempts = async |now: &str| {
        home.clock.set(may(now));
        assert_eq!(home.sends().await, 0);
        home.notices(home.account).await[0].attempts
    };
    assert_eq!(attempts("04 21:59").await, 1);
    for night in ["04 22:00", "04 22:01", "05 03:00", "05 06:59"] {
        assert_eq!(attempts(night).await, 1, "{night}");
    }
    assert_eq!(attempts("05 07:00").await, 2);
}

async fn every_account_is_told_of_a_version_once_whoever_goes_on_with_it(database: Database) {
    let few = "[jobs]\naccounts_per_transaction = 2\n";
    let home = home(&database, few, 10_000).await;
    let (homes, shops) = (home.tariff().await, home.another_tariff("Shops", "2").await);
    let mut neighbours = Vec::new();
    for _ in 0..6 {
        neighbours.push(home.next_door(homes).await);
    }
    let shop = home.next_door(shops).await;
    let closed = neighbours[2];
    let close = move |conn: &mut store::Conn| {
        let mut row = store::account::lock(conn, closed)?;
        row.state = domain::account::State::Closed;
        store::account::save(conn, &row)
    };
    home.app.db.write(close).await.unwrap();
    home.costs(homes, 20, "1.5").await;
    assert_eq!(price_change::go_on(&home.app).await.unwrap(), 2, "some in a transaction");
    // The program ends, and two others go on at once.
    let others = [program(&database, &home.clock, few), program(&database, &home.clock, few)];
    let all_told = async |app: &App| {
        let mut told = 0;
        for _ in 0..6 {
            told += price_change::go_on(app).await.unwrap();
        }
        told
    };
    let (one, other) = tokio::join!(all_told(&others[0]), all_told(&others[1]));
    assert_eq!(one + other, 4);
    assert_eq!(price_change::go_on(&home.app).await.unwrap(), 0, "it is over");

    let told = "from 2026-05-20 on by the tariff Homes: per kWh 1.5 CNY.";
    let mut notices = BTreeMap::new();
    for account in neighbours.iter().copied().chain([home.account, shop]) {
        notices.insert(account, home.prices_told(account).await);
    }
    let silent: Vec<AccountId> = notices.iter().filter(|(_, told)| told.is_empty()).map(|(id, _)| *id).collect();
    assert_eq!(silent, [closed, shop]);
    assert!(notices.values().flatten().all(|text| text == told), "{notices:?}");
    assert!(notices.values().all(|told| told.len() <= 1), "{notices:?}");
}

async fn who_changes_to_a_tariff_is_told_by_the_change_and_not_once_more(database: Database) {
    let home = home(&database, "", 10_000).await;
    let (homes, shops) = (home.tariff().await, home.another_tariff("Shops", "2").await);
    let (early, late) = (home.next_door(homes).await, home.next_door(homes).await);
    home.changes_to(early, shops, 10, "early").await;
    home.costs(shops, 20, "3").await;
    home.changes_to(late, shops, 25, "late").await;
    home.changes_to(home.account, shops, 15, "both").await;
    for _ in 0..3 {
        price_change::go_on(&home.app).await.unwrap();
    }
    let (first, second) = ("on by the tariff Shops: per kWh 2 CNY.", "on by the tariff Shops: per kWh 3 CNY.");
    let told = home.prices_told(early).await;
    let expected = [format!("from 2026-05-10 {first}"), format!("from 2026-05-20 {second}")];
    assert_eq!(told, expected, "the version was entered after its change");
    assert_eq!(home.prices_told(late).await, [format!("from 2026-05-25 {second}")]);
    let told = home.prices_told(home.account).await;
    let expected = [format!("from 2026-05-15 {first}"), format!("from 2026-05-20 {second}")];
    assert_eq!(told, expected, "its change told of both");
    home.changes_to(home.account, shops, 15, "both").await;
    assert_eq!(home.prices_told(home.account).await.len(), 2, "once per key");
}

async fn a_warning_that_no_channel_takes_is_served_by_hand_and_its_lead_runs_from_then(database: Database) {
    let home = home(&database, NO_CHANNEL, 0).await;
    assert_eq!(home.cut().await, Err(vec![Guard::WarningNotServed]));
    assert!(home.by_hand().await.is_empty(), "it is not due yet");
    assert_eq!(home.sends().await, 0);
    let [warning] = &home.by_hand().await[..] else { panic!("one to be served") };
    assert_eq!((warning.kind, warning.state), (Kind::DisconnectWarning, State::Failed));
    assert_eq!((warning.channel.as_str(), warning.by_hand_since), ("none", Some(may("04 08:00"))));

    home.clock.set(may("04 12:00"));
    let too_late = home.serves(warning, "04 12:01", "letter").await.unwrap_err();
    let too_early = home.serves(warning, "04 07:59", "letter").await.unwrap_err();
    assert_eq!((code(&too_late), code(&too_early)), ("served_at", "served_at"));
    let opened = home.notices(home.account).await.into_iter().find(|one| one.kind == Kind::AccountOpened).unwrap();
    assert_eq!(code(&home.serves(&opened, "04 11:00", "letter").await.unwrap_err()), "not_by_hand");
    home.clock.set(may("05 10:00"));
    assert_eq!(home.cut().await, Err(vec![Guard::WarningNotServed]), "a day later, and nobody has told the customer");

    let served = home.serves(warning, "04 11:00", " a letter, by Wang ").await.unwrap();
    assert_eq!((served.served_at, served.served_how.as_deref()), (Some(may("04 11:00")), Some("a letter, by Wang")));
    assert!(home.by_hand().await.is_empty());
    assert_eq!(home.serves(warning, "04 11:00", "a letter, by Wang").await.unwrap(), served, "once more, no change");
    assert_eq!(code(&home.serves(warning, "04 11:30", "by word").await.unwrap_err()), "already_served");
    let site = home.account.site();
    let log = home.app.db.read(move |conn| store::audit_line::page(conn, site, None, 100)).await.unwrap();
    assert_eq!(log.iter().filter(|line| line.verb == "serve_notice").count(), 1);

    assert_eq!(home.cut().await, Err(vec![Guard::WarningNotServed]), "served 23 hours ago");
    home.clock.set(may("05 11:00"));
    assert_eq!(home.cut().await, Ok(Action::Disconnect), "served 24 hours ago");
    home.audited().await;
}

async fn a_warning_that_its_channel_gave_up_is_served_by_hand(database: Database) {
    let home = home(&database, "[policy.notices]\nattempts = 2\nretry_first = \"60s\"\n", 0).await;
    // What was written at the opening is never tried, so that the warning by a channel that fails is the only one.
    let site = home.account.site();
    let written = home.app.db.read(move |conn| store::notice::page(conn, site, None, 100)).await.unwrap();
    let held_back = move |conn: &mut store::Conn| {
        written.iter().try_for_each(|one| store::notice::save(conn, &Notice { next_attempt_at: None, ..one.clone() }))
    };
    home.app.db.write(held_back).await.unwrap();
    home.by_sms(Kind::DisconnectWarning, "04 08:00").await;
    home.by_sms(Kind::LowBalance1, "04 08:00").await;
    assert_eq!(home.sends().await, 0);
    assert!(home.by_hand().await.is_empty(), "it is tried again");
    home.clock.set(may("04 08:01"));
    assert_eq!(home.sends().await, 0);
    let [warning] = &home.by_hand().await[..] else { panic!("the warning, and no other notice") };
    assert_eq!((warning.text_en.as_str(), warning.attempts), ("by sms", 2));
    home.serves(warning, "04 08:01", "by word").await.unwrap();
    home.clock.set(may("05 08:01"));
    assert_eq!(home.cut().await, Ok(Action::Disconnect));
}

async fn a_warning_that_nobody_served_alarms_once_until_nothing_is_left_to_warn_of(database: Database) {
    let home = home(&database, NO_CHANNEL, 0).await;
    assert_eq!(home.sends().await, 0);
    let [warning] = &home.by_hand().await[..] else { panic!("one to be served") };
    let looks = async |now: &str| {
        home.clock.set(may(now));
        by_hand::look(&home.app).await.unwrap()
    };
    assert_eq!(looks("05 07:59").await, 0);
    assert_eq!(home.not_served().await, Vec::<bool>::new());
    assert_eq!(looks("05 08:00").await, 1);
    assert_eq!(home.not_served().await, [true]);
    assert_eq!(looks("07 08:00").await, 0, "once");
    assert_eq!(home.not_served().await, [true]);

    home.pays_in("vend-1", 10_000).await;
    assert!(home.by_hand().await.is_empty(), "the episode is over");
    assert_eq!(code(&home.serves(warning, "04 09:00", "letter").await.unwrap_err()), "no_longer_needed");
    assert_eq!(looks("07 08:01").await, 1);
    assert_eq!(home.not_served().await, [false]);
    assert_eq!(looks("09 08:01").await, 0);
    assert_eq!(home.not_served().await, [false]);
}
