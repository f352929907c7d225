//! What a concentrator notes: read when it is announced, stored once, an alarm until it is over or somebody looked at it.

use actix_web::http::Method;
use protocols::qgdw376::{EventClass, EventRecord};
use serde_json::{Value, json};

use crate::support::{Court, Database, HeadEnd, SOON, eventually, on_both};

on_both!(what_a_concentrator_notes_is_an_alarm_until_it_is_over, events_are_told_once_over_restarts_of_the_head_end,);

/// A meter at this point stopped at 10:05, or goes on.
fn stopped(point: u8, over: bool) -> EventRecord {
    let content = vec![0x05, 0x10, 0x02, 0x03, 0x26, point, if over { 0 } else { 0x80 }, 0, 0, 0, 0, 0, 5];
    EventRecord { code: 30, content }
}

async fn events(head_end: &HeadEnd, court: &Court) -> Vec<Value> {
    let page = head_end.rest.get(&format!("/events?site_id={}", court.site)).await;
    page["items"].as_array().unwrap().clone()
}

async fn point(head_end: &HeadEnd, court: &Court) -> u8 {
    let meter = court.supplies[0].shown(&head_end.rest).await;
    u8::try_from(meter["point"].as_u64().unwrap()).unwrap()
}

async fn what_a_concentrator_notes_is_an_alarm_until_it_is_over(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let (fate, point) = (&court.concentrators[0].fate, point(&head_end, &court).await);
    let standing = ("event_30".to_owned(), format!("meter:{}", court.supplies[0].meter));
    let stands = async |wanted: bool| {
        eventually(SOON, "the alarm", async || (court.alarms(rest).await.contains(&standing) == wanted).then_some(()))
            .await;
    };
    fate.note(EventClass::Important, stopped(point, false));
    stands(true).await;
    fate.note(EventClass::Important, stopped(point, true));
    stands(false).await;

    // General events raise nothing; they are read with the next important one.
    fate.note(EventClass::General, stopped(point, false));
    let power = [[0x00, 0x08, 0x01, 0x03, 0x26], [0xEE; 5]].concat();
    fate.note(EventClass::Important, EventRecord { code: 14, content: power });
    let object = format!("concentrator:{}", court.concentrators[0].id);
    let off = ("event_14".to_owned(), object.clone());
    eventually(SOON, "the alarm", async || court.alarms(rest).await.contains(&off).then_some(())).await;
    let all = eventually(SOON, "four events", async || {
        let all = events(&head_end, &court).await;
        (all.len() == 4).then_some(all)
    });
    let all = all.await;
    assert!(!court.alarms(rest).await.contains(&standing), "a general one is none");
    let general = all.iter().find(|event| event["list"] == "general").unwrap();
    assert_eq!((&general["code"], &general["name"]), (&json!(30), &json!("meter stopped")));
    let power = all.iter().find(|event| event["code"] == 14).unwrap();
    assert_eq!(power["meter_id"], Value::Null);
    assert_eq!(power["values"][1], json!({ "name": "on", "value": null, "unit": "" }));

    // Somebody has looked at it.
    let alarms = rest.get(&format!("/alarms?site_id={}&standing=true", court.site)).await;
    let alarm = alarms["items"].as_array().unwrap().iter().find(|alarm| alarm["object"] == object.as_str()).unwrap();
    let path = format!("/alarms/{}/acknowledge", alarm["id"].as_str().unwrap());
    let acknowledge =
        async |reason: &str| rest.ask(Method::POST, &path, None, Some(&json!({ "reason": reason }))).await;
    assert_eq!(acknowledge("").await.problem(), (422, "label"));
    let over = acknowledge("work in the street").await.ok();
    assert!(!over["cleared_at"].is_null());
    assert_eq!(acknowledge("again").await.ok(), over, "it is over already");
    assert!(!court.alarms(rest).await.contains(&off));
    head_end.audited().await;
}

async fn events_are_told_once_over_restarts_of_the_head_end(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let court = Court::enter(&head_end, 1).await;
    court.read(&head_end.rest).await;
    let (fate, point) = (&court.concentrators[0].fate, point(&head_end, &court).await);
    for over in [false, true, false] {
        fate.note(EventClass::Important, stopped(point, over));
    }
    // Of a concentrator that is heard for the first time the newest event is told.
    let counts = async |head_end: &HeadEnd, wanted: usize| {
        eventually(SOON, "so many events", async || (events(head_end, &court).await.len() == wanted).then_some(()))
            .await;
    };
    eventually(SOON, "the newest event", async || (!events(&head_end, &court).await.is_empty()).then_some(())).await;
    let first = events(&head_end, &court).await.len();
    head_end.crash().await;
    fate.note(EventClass::Important, stopped(point, true));
    let again = HeadEnd::start(&database).await;
    court.dial(&again);
    counts(&again, first + 1).await;
    fate.note(EventClass::Important, stopped(point, false));
    counts(&again, first + 2).await;
    again.audited().await;
}
