//! Rows that change between looks, and what is told of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::{
    energy::Energy,
    ids::{ConcentratorId, CustomerId, InstallationId, TariffId},
    ledger::{self, Tender},
    money::{Carry, Exact, Money},
    reading::{self, TimeSource},
    tariff::TariffVersion,
};
use store::{Db, reading::Reading};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A site with one account that is open, and its meter.
struct Town {
    site: SiteId,
    account: AccountId,
    meter: MeterId,
    installation: InstallationId,
}

fn text<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

fn found(conn: &mut Conn) -> Town {
    let site = SiteId::new(1).unwrap();
    let row = store::site::Site {
        id: site,
        name: "Lakeside".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        currency: "CNY".to_owned(),
        currency_exponent: 2,
        automatic_disconnection: text("on"),
        version: 1,
        cuts_stopped_before: None,
    };
    store::site::insert(conn, &row).unwrap();
    let concentrator = concentrator(conn, site);
    let meter = meter(conn, concentrator);
    let customer: CustomerId = store::ids::next(conn, site).unwrap();
    let (name, language) = ("Li".to_owned(), text("zh"));
    let row = store::customer::Customer { id: customer, name, phone: None, language, version: 1 };
    store::customer::insert(conn, &row).unwrap();
    let tariff = tariff(conn, site);
    let account = account(conn, customer, tariff);
    let reading = read(conn, meter, 0, 0);
    let installation = store::installation::Installation {
        id: store::ids::next(conn, site).unwrap(),
        account_id: account,
        meter_id: meter,
        multiplier: 1,
        start_at: at(0),
        start_value: Energy::ZERO,
        start_reading_id: reading,
        end_at: None,
        end_value: None,
        end_reading_id: None,
        resettle_since: None,
        start_registers: Default::default(),
        end_registers: Default::default(),
    };
    store::installation::insert(conn, &installation).unwrap();
    Town { site, account, meter, installation: installation.id }
}

fn concentrator(conn: &mut Conn, site: SiteId) -> ConcentratorId {
    let row = store::concentrator::Concentrator {
        id: store::ids::next(conn, site).unwrap(),
        name: "Building 1".to_owned(),
        region: "3201".to_owned(),
        terminal: 1,
        profile: "standard".to_owned(),
        password: None,
        clock_drift_s: None,
        clock_read_at: None,
        last_login_at: None,
        last_seen_at: None,
        identity_checked_at: None,
        version: 1,
    };
    store::concentrator::insert(conn, &row).unwrap();
    row.id
}

fn tariff(conn: &mut Conn, site: SiteId) -> TariffId {
    let tariff: TariffId = store::ids::next(conn, site).unwrap();
    store::tariff::insert(conn, &store::tariff::Tariff { id: tariff, name: "flat".to_owned() }).unwrap();
    let version = TariffVersion {
        version: 1,
        valid_from: text("2026-01-01"),
        blocks: vec![domain::tariff::Block { upto: None, price: text("0.5") }],
        time_of_use: None,
        window_start_day: 1,
        window_start_month: None,
        prorate_opening: false,
        fixed_charges: Vec::new(),
        tax_rate_ppm: 0,
        minimum_vend: Money::new(1),
    };
    store::tariff::insert_version(conn, tariff, &version, at(0)).unwrap();
    tariff
}

fn meter(conn: &mut Conn, concentrator_id: ConcentratorId) -> MeterId {
    let row = store::meter::Meter {
        id: store::ids::next(conn, concentrator_id.site()).unwrap(),
        concentrator_id,
        address: "000000000001".to_owned(),
        serial: 1,
        point: 1,
        port: 31,
        profile: "dlt645_direct".to_owned(),
        name: "Flat 1".to_owned(),
        guarded: false,
        guard_reason: None,
        relay: None,
        relay_command: None,
        relay_local_prepay: None,
        relay_read_at: None,
        relay_blocked: false,
        identity: store::meter::Identity::Verified,
        identity_at: None,
        last_seen_at: None,
        seen_again_at: None,
        seen_gaps: 0,
        last_good_as_of: None,
        version: 1,
    };
    store::meter::insert(conn, &row).unwrap();
    row.id
}

fn account(conn: &mut Conn, customer_id: CustomerId, tariff_id: TariffId) -> AccountId {
    let row = Account {
        id: store::ids::next(conn, customer_id.site()).unwrap(),
        number: "0001".to_owned(),
        customer_id,
        tariff_id,
        state: domain::account::State::Active,
        currency: "CNY".to_owned(),
        guarded: false,
        guard_reason: None,
        alarm_1: Money::new(200),
        alarm_2: Money::new(100),
        rearm_margin: Money::new(10),
        overdraft: Money::ZERO,
        restore_margin: Money::new(1),
        posted: Money::ZERO,
        carry: Carry::ZERO,
        alarm_1_armed: true,
        alarm_2_armed: true,
        episode_began_at: None,
        episode_forecast: false,
        episode_warned: false,
        warning_served_at: None,
        last_warning_at: None,
        decide_at: None,
        opened_at: Some(at(0)),
        fixed_to: None,
        closed_at: None,
        debt: Money::ZERO,
        emergency_credit: Money::ZERO,
        episode_emergency: None,
        hold_until: None,
        version: 1,
    };
    store::account::insert(conn, &row).unwrap();
    row.id
}

/// A good reading, received as it was taken.
fn read(conn: &mut Conn, meter_id: MeterId, second: i64, total: i64) -> domain::ids::ReadingId {
    received(conn, meter_id, second, total, second)
}

fn received(conn: &mut Conn, meter_id: MeterId, second: i64, total: i64, by_our_clock: i64) -> domain::ids::ReadingId {
    let row = Reading {
        id: store::ids::next(conn, meter_id.site()).unwrap(),
        meter_id,
        as_of: at(second),
        kind: reading::Kind::Instant,
        total: Energy::new(total),
        unwrapped: Energy::new(total),
        sharp: None,
        peak: None,
        flat: None,
        valley: None,
        deep_valley: None,
        reverse: None,
        quality: Quality::Good,
        time_source: TimeSource::Concentrator,
        received_at: at(by_our_clock),
        copied_at: None,
        resolution: Energy::new(1),
        reason: None,
        unwrapped_registers: Default::default(),
    };
    store::reading::insert_batch(conn, std::slice::from_ref(&row)).unwrap();
    row.id
}

/// The account is paid 300, and charged 2 for a first day.
fn move_money(conn: &mut Conn, town: &Town) {
    let mut row = store::account::lock(conn, town.account).unwrap();
    let vend: domain::ids::VendId = store::ids::next(conn, town.site).unwrap();
    let paid = post(conn, &mut row, TransactionKind::Vend, format!("vend:{vend}"), Money::new(300));
    let sold = store::vend::Vend {
        id: vend,
        key: "a".to_owned(),
        content_hash: String::new(),
        account_id: town.account,
        transaction_id: paid,
        terminal: "t".to_owned(),
        tender: Tender::Cash,
        amount: Money::new(300),
        tax: Money::ZERO,
        balance_before: Money::ZERO,
        balance_after: Money::new(300),
        receipt_number: "t-1".to_owned(),
        operator_key: "k".to_owned(),
        created_at: at(1),
        receipt: "{}".to_owned(),
        shift_id: None,
    };
    store::vend::insert(conn, &sold).unwrap();
    let charged = post(conn, &mut row, TransactionKind::Charge, format!("meter:{}", town.meter), Money::new(-2));
    let day = store::settled_day::SettledDay {
        account_id: town.account,
        day: text("2027-01-15"),
        revision: 1,
        end_value: Energy::new(400),
        reading_id: store::reading::latest_good(conn, town.meter).unwrap().unwrap().id,
        later_reading_id: None,
        energy: Energy::new(400),
        block_window: text("2027-01-01"),
        tariff_version: 1,
        transaction_id: charged,
        installation_id: town.installation,
        period: domain::tariff::Period::Flat,
        cuts: Vec::new(),
        registers: Default::default(),
    };
    store::settled_day::insert_batch(conn, &[day]).unwrap();
    store::account::save(conn, &row).unwrap();
}

/// The vend of 300 is taken back.
fn take_back(conn: &mut Conn, town: &Town) {
    let mut row = store::account::lock(conn, town.account).unwrap();
    let sold = store::vend::by_key(conn, town.site, "a").unwrap().unwrap();
    let id: domain::ids::ReversalId = store::ids::next(conn, town.site).unwrap();
    let posted = post(conn, &mut row, TransactionKind::Reversal, format!("reversal:{id}"), Money::new(-300));
    let reversal = store::reversal::Reversal {
        id,
        vend_id: sold.id,
        account_id: town.account,
        transaction_id: posted,
        terminal: "t".to_owned(),
        tender: Tender::Cash,
        amount: Money::new(300),
        balance_before: Money::new(298),
        balance_after: Money::new(-2),
        receipt_number: "t-2".to_owned(),
        operator_key: "k".to_owned(),
        reason: None,
        created_at: at(2),
        receipt: "{}".to_owned(),
        shift_id: None,
    };
    store::reversal::insert(conn, &reversal).unwrap();
    store::account::save(conn, &row).unwrap();
}

fn post(
    conn: &mut Conn,
    row: &mut Account,
    kind: TransactionKind,
    object: String,
    amount: Money,
) -> domain::ids::TransactionId {
    row.posted = row.posted + amount;
    let transaction = Transaction {
        id: store::ids::next(conn, row.id.site()).unwrap(),
        account_id: row.id,
        sequence: store::transaction::next_sequence(conn, row.id).unwrap(),
        kind,
        key: object.clone(),
        object,
        at: at(1),
        cost_before: Some(Exact::ZERO),
        cost_after: None,
        carry_before: None,
        carry_after: None,
        balance_after: row.posted,
    };
    let posting = match kind {
        TransactionKind::Vend => ledger::vend(row.id, Tender::Cash, amount),
        TransactionKind::Reversal => ledger::reversal(row.id, Tender::Cash, -amount),
        _ => ledger::charge(row.id, -amount),
    };
    store::transaction::insert(conn, &transaction, posting.as_slice()).unwrap();
    transaction.id
}

fn order(conn: &mut Conn, town: &Town, second: i64) -> RelayOrder {
    let policy = wattgate::settings::read(None, None).unwrap().policy.relay;
    let wish = order::Wish { action: Action::Disconnect, cause: relay::Cause::Credit, permit: false };
    let id = store::ids::next(conn, town.site).unwrap();
    let order = order::Order::new(id, town.meter, Some(town.account), wish, at(second), &policy);
    let row = RelayOrder::new(&order, "used up");
    store::relay_order::insert(conn, &row).unwrap();
    row
}

fn step(conn: &mut Conn, row: &mut RelayOrder, state: order::State, second: i64, detail: &str) {
    let from = row.state;
    row.state = state;
    row.ended_at = state.is_end().then(|| at(second));
    assert!(store::relay_order::transition(conn, row, from, at(second), detail).unwrap());
}

/// Runs a test's body on a database of its own.
fn with_town(body: impl FnOnce(&mut Conn, &Town, &mut Eyes) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let done = runtime.block_on(Db::inline().unwrap().read(move |conn| {
        let town = found(conn);
        body(conn, &town, &mut Eyes::new(town.site));
        Ok::<_, Error>(())
    }));
    done.unwrap();
}

#[test]
fn money_is_told_once_and_everything_at_the_end() {
    with_town(|conn, town, eyes| {
        let first = eyes.look(conn).unwrap();
        assert!(first.accounts.values().all(|row| row.active && row.version == 1));
        assert_eq!((first.installations.len(), first.meters.len()), (1, 1));
        move_money(conn, town);
        let second = eyes.look(conn).unwrap();
        let (kinds, sold): (Vec<Kind>, Vec<&str>) = (
            second.transactions.iter().map(|one| one.kind).collect(),
            second.vends.iter().map(|one| one.key.as_str()).collect(),
        );
        assert_eq!((kinds, sold), (vec![Kind::Vend, Kind::Charge], vec!["a"]));
        assert_eq!(second.days.iter().map(|day| day.end_value).collect::<Vec<_>>(), [Energy::new(400)]);
        assert!(second.accounts.values().all(|row| row.posted == Money::new(298) && row.version == 2));
        assert_eq!(second.installations, first.installations);
        let third = eyes.look(conn).unwrap();
        assert!(third.transactions.is_empty() && third.vends.is_empty() && third.days.is_empty());
        assert_eq!(third.accounts, second.accounts);
        let all = eyes.all(conn).unwrap();
        assert!(all.whole && all.repeated_readings.is_empty());
        assert_eq!((all.transactions, all.vends, all.days), (second.transactions, second.vends, second.days));
        assert_eq!(all.installations, first.installations);
        assert_eq!(all.accounts.values().next().unwrap().available, Some(Money::new(298)));
    });
}

#[test]
fn a_reversal_is_told_once_by_its_vends_key() {
    with_town(|conn, town, eyes| {
        move_money(conn, town);
        assert!(eyes.look(conn).unwrap().reversals.is_empty());
        take_back(conn, town);
        let seen = eyes.look(conn).unwrap();
        assert_eq!(seen.transactions.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::Reversal]);
        let told =
            seen.reversals.iter().map(|one| (one.vend.as_str(), one.amount, one.transaction)).collect::<Vec<_>>();
        assert_eq!(told, [("a", Money::new(300), seen.transactions.first().unwrap().id)]);
        assert!(seen.vends.is_empty());
        assert!(eyes.look(conn).unwrap().reversals.is_empty());
        assert_eq!(eyes.all(conn).unwrap().reversals, seen.reversals);
    });
}

#[test]
fn orders_are_told_when_they_change_even_between_two_looks() {
    with_town(|conn, town, eyes| {
        eyes.look(conn).unwrap();
        read(conn, town.meter, 100, 10);
        // Our clock was ahead when this one came.
        received(conn, town.meter, 120, 11, 900);
        let mut cut = order(conn, town, 150);
        read(conn, town.meter, 300, 20);
        assert_eq!(eyes.look(conn).unwrap().orders.len(), 1);
        assert!(eyes.look(conn).unwrap().orders.is_empty());
        (cut.attempts, cut.sent_at) = (1, Some(at(200)));
        step(conn, &mut cut, order::State::Sent, 200, SENDS);
        step(conn, &mut cut, order::State::Superseded, 210, "by another");
        let mut brief = order(conn, town, 210);
        step(conn, &mut brief, order::State::Superseded, 211, "no longer wanted");
        let seen = eyes.look(conn).unwrap();
        let states: BTreeMap<OrderId, Vec<(State, bool)>> = seen
            .orders
            .iter()
            .map(|one| (one.id, one.lines.iter().map(|line| (line.state, line.sends)).collect()))
            .collect();
        let sent = vec![(State::Ordered, false), (State::Sent, true), (State::Superseded, false)];
        let withdrawn = vec![(State::Ordered, false), (State::Superseded, false)];
        assert_eq!(states, BTreeMap::from([(cut.id, sent), (brief.id, withdrawn)]));
        // What came after the order was sent is no evidence for it.
        let evidence = seen.orders.iter().flat_map(|one| &one.lines).find_map(|line| line.evidence);
        assert_eq!(evidence, Some(at(120)));
        let mut all = eyes.all(conn).unwrap().orders;
        all.sort_by_key(|one| one.id);
        let mut told = seen.orders;
        told.sort_by_key(|one| one.id);
        assert_eq!(all, told);
    });
}
