//! Explanations: a story reckoned by hand, told in JSON, in English and in Chinese. That every other story of these tests is
//! explained to the fen is checked where it ends.

use domain::{
    ledger::{self, Tender, TransactionKind},
    money::{Exact, Money},
    notice::Language,
    reading::{Kind, Observation, TimeSource},
    tariff::{Every, FixedCharge},
};
use jiff::{Timestamp, civil::date};
use serde_json::{Value, json};
use store::transaction::Transaction;
use wattgate::{
    jobs,
    operations::{
        explain::{self, Explanation, Moment, Span},
        reverse_vend::{self, ReverseVend},
        tariffs::{NewBlock, NewTariff},
        vend::{self, Vend},
    },
};

use super::settlement::kwh;
use crate::support::{Database, Home, Terms, by_blocks, on_both};

on_both!(
    a_correction_over_the_end_of_a_month_is_explained_by_its_old_and_new_values,
    prices_by_the_time_of_day_are_explained_by_their_periods,
    rows_that_do_not_agree_are_told,
    a_register_that_was_higher_before_midnight_agrees_with_the_books,
);

/// 0.50 up to 10 kWh of the month, 0.55 up to 20, then 0.80; and 31.00 a month. Opened on 30 May at 8 o'clock with 100.00
/// and 1000 kWh on the register: two of 31 days are left, 2.00.
async fn opened(database: &Database) -> Home {
    let block = |upto: Option<&str>, price: &str| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() };
    let blocks = vec![block(Some("10"), "0.50"), block(Some("20"), "0.55"), block(None, "0.80")];
    let service = FixedCharge { name: "service".to_owned(), every: Every::Month, amount: Money::new(3100) };
    let tariff = NewTariff { fixed_charges: Some(vec![service]), ..by_blocks(blocks) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: 10_000 };
    Home::start(database, at("05-30 08:00"), terms).await
}

/// An instant of 2026 in Shanghai: `05-30 08:00`.
fn at(day_and_time: &str) -> Timestamp {
    let (day, time) = day_and_time.split_once(' ').unwrap();
    format!("2026-{day}T{time}:00+08:00").parse().unwrap()
}

impl Home {
    async fn read_at(&self, now: &str, kind: Kind, as_of: &str, total: &str) {
        self.clock.set(at(now));
        self.arrives(&[self.observation(kind, at(as_of), kwh(total))]).await;
    }

    async fn explanation(&self, from: Moment, to: Moment) -> Result<Explanation, wattgate::operations::Error> {
        let (account, limits) = (self.account, self.app.settings.explain.clone());
        self.app.db.read(move |conn| explain::explain(conn, account, Span { from, to }, &limits)).await
    }
}

impl Home {
    /// A charge of 5 fen for no day.
    async fn forged(&self) {
        let (account, at) = (self.account, self.app.clock.now());
        let write = move |conn: &mut store::Conn| {
            let mut row = store::account::lock(conn, account)?;
            row.posted = row.posted - Money::new(5);
            let cost = |fen: i128| Some(Exact::new(fen * 100_000_000));
            let forged = Transaction {
                id: store::ids::next(conn, account.site())?,
                account_id: account,
                sequence: store::transaction::next_sequence(conn, account)?,
                kind: TransactionKind::Charge,
                key: "forged".to_owned(),
                object: "meter:0".to_owned(),
                at,
                cost_before: cost(425),
                cost_after: cost(430),
                carry_before: Some(row.carry),
                carry_after: Some(row.carry),
                balance_after: row.posted,
            };
            store::transaction::insert(conn, &forged, ledger::charge(account, Money::new(5)).as_slice())?;
            store::account::save(conn, &row)
        };
        self.app.db.write(write).await.unwrap();
    }
}

/// Identifiers are drawn; they are longer than all other numbers.
fn masked(text: &str) -> String {
    let is_id = |word: &str| word.len() >= 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut masked = text.to_owned();
    for word in text.split(|letter: char| !letter.is_ascii_digit()).filter(|word| is_id(word)) {
        masked = masked.replace(word, "#");
    }
    masked
}

/// May has 8.5 kWh on its 30th and 11.5002 on its 31st, by two readings around its midnight: 10 kWh at 0.50, 10 at 0.55 and
/// 0.0002 at 0.80. June has 5 kWh on its first day, at 0.50. Then the freeze of May's end says 1 kWh more: 0.80 more for May,
/// and 0.50 less for June.
async fn a_correction_over_the_end_of_a_month_is_explained_by_its_old_and_new_values(database: Database) {
    let home = opened(&database).await;
    home.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008.5").await;
    home.read_at("05-31 22:00", Kind::Instant, "05-31 22:00", "1018.0001").await;
    home.clock.set(at("06-01 00:05"));
    jobs::charge_fixed(&home.app).await.unwrap();
    home.read_at("06-01 02:00", Kind::Instant, "06-01 02:00", "1022.0003").await;
    home.clock.set(at("06-01 12:00"));
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 1);
    home.clock.set(at("06-01 13:00"));
    let (amount, tender, terminal) = (Money::new(5000), Tender::Cash, "till-1".to_owned());
    let sale = Vend { account_id: home.account, amount, currency: "CNY".to_owned(), tender, terminal };
    let (sold, _) = vend::vend(&home.app, sale, "sale", "tests").await.unwrap();
    let back = ReverseVend { terminal: "till-1".to_owned(), reason: None };
    reverse_vend::reverse(&home.app, sold.vend_id, back, "back", "tests").await.unwrap();
    home.read_at("06-02 00:10", Kind::DailyFreeze, "06-02 00:00", "1025.0002").await;
    home.read_at("06-02 09:00", Kind::DailyFreeze, "06-01 00:00", "1021.0002").await;

    let (from, to) = (Moment::Date(date(2026, 5, 30)), Moment::Date(date(2026, 6, 2)));
    let told = home.explanation(from, to).await.unwrap();
    let (en, zh) = (explain::text(&told, Language::En), explain::text(&told, Language::Zh));
    assert_eq!(masked(&en), include_str!("explaining/en.txt"), "{en}");
    assert_eq!(masked(&zh), include_str!("explaining/zh.txt"), "{zh}");
    let told = serde_json::to_value(told).unwrap();
    let correction = told["transactions"][8].to_string();
    assert_eq!(serde_json::from_str::<Value>(&masked(&correction)).unwrap(), correction_by_hand());
    assert_eq!(told["transactions"].as_array().unwrap().len(), 9);
    let around = ["balance_before", "balance_after", "carry_before", "carry_after"].map(|field| told[field].clone());
    assert_eq!(around, [json!(0), json!(5370), json!("0.0000000000"), json!("0.0001600000")]);

    // From noon of 1 June to 2 June at 9: what was posted before stands in its balance.
    let part = home.explanation(Moment::Instant(at("06-01 12:00")), Moment::Instant(at("06-02 09:00"))).await.unwrap();
    let part = serde_json::to_value(part).unwrap();
    assert_eq!((&part["balance_before"], &part["balance_after"]), (&json!(6275), &json!(5400)));
    assert_eq!(part["transactions"].as_array().unwrap()[..], told["transactions"].as_array().unwrap()[4..8]);
    home.closed().await;
}

fn correction_by_hand() -> Value {
    let seen = |as_of: &str, total: &str, received_at: &str| {
        let (as_of, received_at) = (at(as_of), at(received_at));
        json!({
            "id": "#", "as_of": as_of, "kind": "daily_freeze", "quality": "good", "total": total, "unwrapped": total,
            "received_at": received_at,
        })
    };
    let boundary = |as_of: &str, value: &str, received_at: &str| {
        let readings = [seen(as_of, value, received_at)];
        json!({ "at": at(as_of), "value": value, "told": value, "interpolated": false, "readings": readings })
    };
    let day = |day: &str, start: &Value, end: &Value, energy: &str, before: Value| {
        json!({
            "day": day, "meter_id": "#", "meter_address": "202600000001", "revision": 2, "multiplier": 1,
            "start": start, "ends": [end], "energies": [{ "period": "flat", "energy": energy }], "energy": energy,
            "before": before,
        })
    };
    let old = |end_value: &str, energy: &str| json!({ "revision": 1, "end_value": end_value, "energy": energy });
    let line = |window: &str, block: u8, energy: &str, price: &str, cost: &str, amount: i64| {
        json!({
            "window": window, "tariff_version": 1, "block": block, "energy": energy, "price": price, "cost": cost,
            "amount": amount,
        })
    };
    let [last, first, second] = [
        boundary("05-31 00:00", "1008.5000", "05-31 00:10"),
        boundary("06-01 00:00", "1021.0002", "06-02 09:00"),
        boundary("06-02 00:00", "1025.0002", "06-02 00:10"),
    ];
    json!({
        "id": "#", "sequence": 9, "kind": "correction", "object": "meter:#", "at": at("06-02 09:00"),
        "postings": [{ "from": "balance:#", "to": "revenue:energy", "amount": 30 }],
        "amount": -30, "balance_before": 5400, "balance_after": 5370, "differences": [],
        "carry_before": "0.0001600000", "carry_after": "0.0001600000",
        "energy_charge": {
            "days": [
                day("2026-05-31", &last, &first, "12.5002", old("1020.0002", "11.5002")),
                day("2026-06-01", &first, &second, "4.0000", old("1025.0002", "5.0000")),
            ],
            "lines": [
                line("2026-05-01", 3, "1.0000", "0.800000", "0.8000000000", 80),
                line("2026-06-01", 1, "-1.0000", "0.500000", "-0.5000000000", -50),
            ],
            // May was 10 x 0.50 + 10 x 0.55 + 0.0002 x 0.80 and June 5 x 0.50.
            "cost_before": "13.0001600000", "cost_after": "13.3001600000", "cost": "0.3000000000", "posted": 30,
        },
    })
}

/// Peak at 1.00 from 8 to 22 o'clock, valley at 0.25, and 0.10 for each kWh above 5 of the month, at a CT of 2: 7 and 1 on the
/// register are 14 and 2 kWh, 14.00 + 0.50 + 1.10.
async fn prices_by_the_time_of_day_are_explained_by_their_periods(database: Database) {
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
    let home = Home::start(&database, at("05-30 08:00"), terms).await;
    home.read_at("05-30 22:00", Kind::Instant, "05-30 22:00", "1007").await;
    home.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008").await;
    let day = Moment::Date(date(2026, 5, 31));
    let told = home.explanation(day, day).await.unwrap();
    for (language, lines) in [
        (
            Language::En,
            [
                "energy charge: -15.60 CNY",
                "16 kWh, register 1000 to 1008 × 2",
                "1007 at 2026-05-30 22:00: reading of 2026-05-30 22:00 1007",
                "peak 14 kWh, valley 2 kWh",
                "peak (window from 2026-05-01, price version 1): 14 kWh x 1 = 14, as 14.00 CNY",
                "valley (window from 2026-05-01, price version 1): 2 kWh x 0.25 = 0.5, as 0.50 CNY",
                "Block 2 (window from 2026-05-01, price version 1): 11 kWh x 0.1 = 1.1, as 1.10 CNY",
            ],
        ),
        (
            Language::Zh,
            [
                "电费：-15.60 CNY",
                "16千瓦时，示值1000至1008 × 2",
                "2026-05-30 22:00示值1007：2026-05-30 22:00抄表1007",
                "峰14千瓦时，谷2千瓦时",
                "峰（2026-05-01起的周期，第1版电价）：14千瓦时 × 1 = 14，计14.00 CNY",
                "谷（2026-05-01起的周期，第1版电价）：2千瓦时 × 0.25 = 0.5，计0.50 CNY",
                "第2阶梯（2026-05-01起的周期，第1版电价）：11千瓦时 × 0.1 = 1.1，计1.10 CNY",
            ],
        ),
    ] {
        let text = explain::text(&told, language);
        for line in lines {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
    home.closed().await;
}

async fn rows_that_do_not_agree_are_told(database: Database) {
    let home = opened(&database).await;
    home.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008.5").await;
    let days = (Moment::Date(date(2026, 5, 30)), Moment::Date(date(2026, 5, 31)));
    assert!(home.explanation(days.0, days.1).await.unwrap().agrees());
    // Somebody charges 0.05 for nothing, without the program.
    home.clock.set(at("05-31 09:00"));
    home.forged().await;
    let told = home.explanation(days.0, days.1).await.unwrap();
    assert!(!told.agrees());
    let wrong = ["charged 5, replayed 0", "cost after is 4.3000000000, replayed 4.2500000000"];
    assert_eq!(told.transactions.last().unwrap().differences, wrong);
    assert!(explain::text(&told, Language::En).contains("Does not agree with the books: charged 5, replayed 0"));
    assert!(explain::text(&told, Language::Zh).contains("与账目不符：charged 5, replayed 0"));
    let audit = home.app.db.read(|conn| wattgate::audit::all(conn, 3)).await.unwrap();
    let told: Vec<&str> =
        audit.differences.iter().filter_map(|what| what.split_once(": ")).map(|(_, what)| what).collect();
    assert_eq!(told, wrong, "the audit tells the same");
    home.app.stop().await;
}

/// A meter that is read a little before midnight may have shown a little more than it froze: no digit is taken back.
async fn a_register_that_was_higher_before_midnight_agrees_with_the_books(database: Database) {
    let home = opened(&database).await;
    home.clock.set(at("05-30 23:59"));
    let before = home.observation(Kind::Instant, at("05-30 23:59"), kwh("1008.52"));
    home.arrives(&[Observation { time_source: TimeSource::Meter, ..before }]).await;
    home.read_at("05-31 00:10", Kind::DailyFreeze, "05-31 00:00", "1008.50").await;
    home.read_at("06-01 00:10", Kind::DailyFreeze, "06-01 00:00", "1016").await;
    let told = home.explanation(Moment::Date(date(2026, 5, 30)), Moment::Date(date(2026, 6, 1))).await.unwrap();
    let text = explain::text(&told, Language::En);
    assert!(told.agrees() && text.contains("register 1000 to 1008.52"), "{text}");
    home.closed().await;
}
