//! What a vend's receipt says of the time since the vend before: reckoned by hand, and the same for ever.

use domain::{
    ids::VendId,
    ledger::Tender,
    money::Money,
    notice::Language,
    reading::Kind,
    tariff::{Every, FixedCharge},
};
use jiff::{Timestamp, civil::date};
use serde_json::{Value, json};
use wattgate::{
    jobs,
    operations::{
        Error,
        debts::{self, NewDebt},
        receipt::{self, FullReceipt, Paper, Style},
        reverse_vend::{self, ReverseVend},
        tariffs::{NewBlock, NewTariff, NewVersion},
        vend::{self, Vend},
    },
};

use super::settlement::kwh;
use crate::support::{Database, Home, Terms, by_blocks, flat, on_both};

on_both!(
    a_receipt_tells_what_was_charged_since_the_vend_before_and_stays_as_it_is,
    a_receipt_has_periods_surcharges_and_the_debt,
);

/// Rows read at once: few, so that it pages.
const ROWS: i64 = 2;

/// An instant of 2026 in Shanghai: `05-30 08:00`.
fn at(day_and_time: &str) -> Timestamp {
    let (day, time) = day_and_time.split_once(' ').unwrap();
    format!("2026-{day}T{time}:00+08:00").parse().unwrap()
}

struct Counter(Home);

impl Counter {
    async fn read_at(&self, now: &str, kind: Kind, as_of: &str, total: &str) {
        self.0.clock.set(at(now));
        self.0.arrives(&[self.0.observation(kind, at(as_of), kwh(total))]).await;
    }

    async fn sells(&self, now: &str, fen: i64) -> VendId {
        self.0.clock.set(at(now));
        let (amount, tender, terminal) = (Money::new(fen), Tender::Cash, "till-1".to_owned());
        let sale = Vend { account_id: self.0.account, amount, currency: "CNY".to_owned(), tender, terminal };
        vend::vend(&self.0.app, sale, now, "tests").await.unwrap().0.vend_id
    }

    /// The receipt, and its page.
    async fn shows(&self, id: VendId) -> (FullReceipt, String) {
        let read = move |conn: &mut store::Conn| {
            let full = receipt::of_vend(conn, id, None, ROWS)?;
            let style = Style::of(conn, full.receipt.account_id, Paper::A4, Some(Language::Zh))?;
            let page = receipt::page(&full, &style)?;
            Ok::<_, Error>((full, page))
        };
        self.0.app.db.read(read).await.unwrap()
    }

    /// What it says of the time since the vend before; that it explains the balance before is asserted.
    async fn since_last(&self, id: VendId) -> Value {
        let (full, _) = self.shows(id).await;
        let since = full.since_last;
        let explained = since.balance - since.charged - since.fixed_charges + since.other;
        assert_eq!(explained, full.receipt.balance_before);
        assert_eq!(since.lines.iter().map(|line| line.amount).sum::<Money>(), since.charged);
        serde_json::to_value(since).unwrap()
    }
}

/// 0.50 up to 10 kWh of the month, 0.55 up to 20, then 0.80; and 31.00 a month. Opened on 30 May at 8 o'clock with 100.00
/// and 1000 kWh on the register: two of 31 days are left, 2.00.
async fn opened(database: &Database) -> Counter {
    let block = |upto: Option<&str>, price: &str| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() };
    let blocks = vec![block(Some("10"), "0.50"), block(Some("20"), "0.55"), block(None, "0.80")];
    let service = FixedCharge { name: "service".to_owned(), every: Every::Month, amount: Money::new(3100) };
    let tariff = NewTariff { fixed_charges: Some(vec![service]), ..by_blocks(blocks) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: 10_000 };
    Counter(Home::start(database, at("05-30 08:00"), terms).await)
}

async fn a_receipt_tells_what_was_charged_since_the_vend_before_and_stays_as_it_is(database: Database) {
    let counter = opened(&database).await;
    counter.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008.5").await;
    let first = counter.sells("05-31 09:00", 5000).await;
    let block = |block: usize, energy: &str, price: &str, amount: i64| json!({ "block": block, "surcharge": false, "energy": energy, "price": price, "amount": amount });
    let since_opening = json!({
        "last": null, "balance": 0, "other": 10_000, "fixed_charges": 200, "energy": "8.5000", "charged": 425,
        "lines": [block(1, "8.5000", "0.500000", 425)],
    });
    assert_eq!(counter.since_last(first).await, since_opening);

    // 11.5002 kWh on the 31st by two readings around its midnight, and June's fixed charge.
    counter.read_at("05-31 22:00", Kind::Instant, "05-31 22:00", "1018.0001").await;
    counter.0.clock.set(at("06-01 00:05"));
    jobs::charge_fixed(&counter.0.app).await.unwrap();
    counter.read_at("06-01 02:00", Kind::Instant, "06-01 02:00", "1022.0003").await;
    counter.0.clock.set(at("06-01 12:00"));
    jobs::settle_open(&counter.0.app).await.unwrap();
    let second = counter.sells("06-01 13:00", 5000).await;
    let of_june = json!({
        "last": at("05-31 09:00"), "balance": 14_375, "other": 0, "fixed_charges": 3100, "energy": "11.5002", "charged": 625,
        "lines": [block(1, "1.5000", "0.500000", 75), block(2, "10.0000", "0.550000", 550), block(3, "0.0002", "0.800000", 0)],
    });
    assert_eq!(counter.since_last(second).await, of_june);

    // That vend is taken back. 5 kWh on 1 June, of which a correction moves one into May, where it costs 0.80.
    let back = ReverseVend { terminal: "till-1".to_owned(), reason: None };
    reverse_vend::reverse(&counter.0.app, second, back, "back", "tests").await.unwrap();
    counter.read_at("06-02 00:10", Kind::DailyFreeze, "06-02 00:00", "1025.0002").await;
    counter.read_at("06-02 09:00", Kind::DailyFreeze, "06-01 00:00", "1021.0002").await;
    let third = counter.sells("06-02 10:00", 1000).await;
    let corrected = json!({
        "last": at("06-01 13:00"), "balance": 15_650, "other": -5000, "fixed_charges": 0, "energy": "5.0000", "charged": 280,
        "lines": [block(1, "4.0000", "0.500000", 200), block(3, "1.0000", "0.800000", 80)],
    });
    assert_eq!(counter.since_last(third).await, corrected);

    let vends = [first, second, third];
    let mut printed = Vec::new();
    for vend in vends {
        printed.push(counter.shows(vend).await);
    }
    // Dearer from 3 June on, and what is charged after the third vend is on no receipt of it.
    let dearer = NewVersion {
        valid_from: date(2026, 6, 3),
        blocks: flat("2"),
        time_of_use: None,
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: None,
        tax_rate_ppm: None,
        minimum_vend: None,
    };
    counter.0.price_change(dearer).await;
    counter.read_at("06-03 00:10", Kind::DailyFreeze, "06-03 00:00", "1040").await;
    counter.read_at("06-04 00:10", Kind::DailyFreeze, "06-04 00:00", "1050").await;
    counter.sells("06-04 08:00", 2000).await;
    for (vend, first_print) in vends.into_iter().zip(printed) {
        assert_eq!(counter.shows(vend).await, first_print);
    }
    counter.0.closed().await;
}

/// Peak at 1.00 from 8 to 22 o'clock, valley at 0.25, and 0.10 for each kWh above 5 of the month: 14 kWh in the peak and 2 in
/// the valley are 14.00 + 0.50 + 1.10. Half of what a vend brings recovers debt.
async fn a_receipt_has_periods_surcharges_and_the_debt(database: Database) {
    let time_of_use = json!({
        "prices": { "peak": "1.00", "valley": "0.25" },
        "day_types": {
            "usual": [
                { "at": "00:00:00", "period": "valley" },
                { "at": "08:00:00", "period": "peak" },
                { "at": "22:00:00", "period": "valley" },
            ],
        },
        "seasons": [{ "from_month": 1, "from_day": 1, "weekdays": "usual", "weekends": "usual" }],
        "holidays": {},
    });
    let block = |upto: Option<&str>, price: &str| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() };
    let blocks = vec![block(Some("5"), "0"), block(None, "0.10")];
    let tariff = NewTariff { time_of_use: serde_json::from_value(time_of_use).unwrap(), ..by_blocks(blocks) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 2, register, credit: 10_000 };
    let counter = Counter(Home::start(&database, at("05-30 08:00"), terms).await);
    let (amount, currency, reason) = (Money::new(3000), "CNY".to_owned(), "before the head end".to_owned());
    let debt = NewDebt { amount, currency, reason, share_ppm: Some(500_000), weekly_cap: None };
    debts::enter(&counter.0.app, counter.0.account, debt, "debt", "tests").await.unwrap();
    counter.read_at("05-30 22:00", Kind::Instant, "05-30 22:00", "1007").await;
    counter.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008").await;
    let sold = counter.sells("05-31 09:00", 5000).await;
    let since = json!({
        "last": null, "balance": 0, "other": 10_000, "fixed_charges": 0, "energy": "16.0000", "charged": 1560,
        "lines": [
            { "period": "peak", "surcharge": false, "energy": "14.0000", "price": "1.000000", "amount": 1400 },
            { "period": "valley", "surcharge": false, "energy": "2.0000", "price": "0.250000", "amount": 50 },
            { "block": 2, "surcharge": true, "energy": "11.0000", "price": "0.100000", "amount": 110 },
        ],
    });
    assert_eq!(counter.since_last(sold).await, since);
    let (full, page) = counter.shows(sold).await;
    assert_eq!((full.receipt.debt_recovered, full.receipt.debt_left), (Money::new(2500), Money::new(500)));
    let row = |cells: [&str; 4]| format!("<tr>{}</tr>", cells.map(|cell| format!("<td>{cell}</td>")).concat());
    let fact = |name: &str, value: &str| format!("<dt>{name}</dt><dd>{value}</dd>");
    for part in [
        row(["峰", "14.00", "1.0000", "14.00"]) + &row(["谷", "2.00", "0.2500", "0.50"]),
        row(["第2阶梯加价", "11.00", "0.1000", "1.10"]),
        fact("电费（16.00千瓦时）", "-15.60 CNY"),
        fact("偿还旧欠", "25.00 CNY") + "</div><div>" + &fact("剩余旧欠", "5.00 CNY"),
        fact("交易前余额", "84.40 CNY"),
        fact("交易后余额", "109.40 CNY"),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
    assert!(!page.contains("第1阶梯"), "what comes on top of the first block is nothing");
    counter.0.closed().await;
}
