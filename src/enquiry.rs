//! Enquiries: an operator asks a meter or a concentrator for whatever it may know, and gets the answer explained as
//! `wattgate decode` does; or sets a parameter or a clock. Nothing of it is stored but who set what.

use std::collections::BTreeSet;

use actors::{Enquiry, EnquiryError, Told};
use domain::{
    ids::{ConcentratorId, MeterId},
    notice::Language,
};
use protocols::{
    EncodeError,
    dlt645::DataId,
    qgdw376::{self, Afn},
};
use serde_json::Value as Json;

use crate::{
    app::App,
    decode, hex,
    operations::{Error, audit_line},
};

/// Hex digits of a data identifier.
const ID_DIGITS: usize = 8;

/// 04000Cxx: the meter's passwords.
const PASSWORDS: u32 = 0x0400_0C00;

/// Reads an item of a meter from the meter itself; a long answer is put together. Its frame, explained.
///
/// # Errors
/// `item` for what is no identifier, or a password's; the meter does not exist; `concentrator_offline`, `no_answer`.
pub async fn item(app: &App, meter: MeterId, item: &str, language: Language) -> Result<Json, Error> {
    let digits = item.len() == ID_DIGITS && item.bytes().all(|digit| digit.is_ascii_hexdigit());
    let id = u32::from_str_radix(item, 16).ok().filter(|_| digits);
    let id = DataId(id.ok_or_else(|| Error::field("item", "item", format!("must be {ID_DIGITS} hex digits")))?);
    if id.0 & !0xFF == PASSWORDS {
        return Err(Error::field("item", "item", "is a password: those are not read"));
    }
    let row = app.db.read(move |conn| Ok::<_, Error>(store::meter::by_id(conn, meter)?)).await?;
    match ask(app, row.concentrator_id, Enquiry::Item { meter, id }).await? {
        Told::Meter(frame) => Ok(decode::meters_frame(frame, language)),
        Told::Concentrator(_) | Told::Done => Err(Error::Busy),
    }
}

/// A question about a concentrator.
pub struct Query {
    /// The application function, in two hex digits.
    pub afn: String,
    /// The function.
    pub function: u16,
    /// The measuring points; 0 is the concentrator itself.
    pub points: Vec<u16>,
    /// What stands behind each point's DA and DT, in hex digits.
    pub content: String,
}

/// Asks a concentrator one function of some measuring points. The frames of its answer, explained.
///
/// # Errors
/// The field that does not hold; the concentrator does not exist; `concentrator_offline`, `no_answer`, `denied`.
pub async fn query(app: &App, id: ConcentratorId, query: &Query, language: Language) -> Result<Vec<Json>, Error> {
    let most = app.settings.http.enquiry_bytes;
    let afn =
        hex::bytes(&query.afn).and_then(|bytes| <[u8; 1]>::try_from(bytes).ok()).map(|[byte]| Afn::from_byte(byte));
    let afn = afn.filter(|afn| afn.is_question());
    let afn = afn.ok_or_else(|| Error::field("afn", "afn", "must be 09, 0A, 0C or 0D"))?;
    let content = hex::bytes(&query.content).ok_or_else(|| Error::field("content", "content", "must be hex digits"))?;
    let each = content.len() + UNIT_ID;
    if query.points.is_empty() || query.points.len().saturating_mul(each) > most {
        return Err(Error::field("points", "points", format!("must be 1 to {}", most / each)));
    }
    let enquiry = qgdw376::Enquiry::of(afn, query.function, &query.points, &content).map_err(|error| match error {
        EncodeError::OutOfRange("measuring point") => Error::field("points", "points", "must be 0 to 2040"),
        _ => Error::field("function", "function", "must be 1 to 248"),
    })?;
    app.db.read(move |conn| Ok::<_, Error>(store::concentrator::by_id(conn, id)?)).await?;
    match ask(app, id, Enquiry::Functions(enquiry)).await? {
        Told::Concentrator(frames) => {
            Ok(frames.into_iter().map(|frame| decode::one_of_concentrator(frame, language)).collect())
        }
        Told::Meter(_) | Told::Done => Err(Error::Busy),
    }
}

/// Bytes of a DA and a DT.
const UNIT_ID: usize = 4;

/// Asks, and names what came in the way.
///
/// # Errors
/// `concentrator_offline`, `no_answer`, `denied`.
pub(crate) async fn ask(app: &App, concentrator: ConcentratorId, enquiry: Enquiry) -> Result<Told, Error> {
    let Some(fleet) = app.fleet() else { return Err(Error::Busy) };
    fleet.enquire(concentrator, enquiry).await.map_err(|error| match error {
        EnquiryError::Offline | EnquiryError::UnknownMeter => {
            Error::conflict("concentrator_offline", "the concentrator is not online")
        }
        EnquiryError::NoAnswer | EnquiryError::Deadline => Error::conflict("no_answer", "no answer came"),
        EnquiryError::Denied => Error::refused("denied", "the concentrator denies it"),
        EnquiryError::Full | EnquiryError::Gone => Error::Busy,
    })
}

// --- clocks ------------------------------------------------------------------------------------------------------------

/// Sets a concentrator's clock to ours; it is read again soon afterwards.
///
/// # Errors
/// The concentrator does not exist; `concentrator_offline`, `no_answer`, `denied`.
pub async fn set_clock(app: &App, id: ConcentratorId, by: &str) -> Result<(), Error> {
    note(app, id, by, "set_clock", String::new()).await?;
    ask(app, id, Enquiry::SetClock).await.map(drop)
}

/// Tells all meters of a concentrator the time, port by port. No meter answers; each heeds it only within some minutes of its own
/// time, and once a day.
///
/// # Errors
/// The concentrator does not exist, or has no meters; `concentrator_offline`, `no_answer`.
pub async fn set_meter_clocks(app: &App, id: ConcentratorId, by: &str) -> Result<(), Error> {
    let meters = app.db.read(move |conn| Ok::<_, Error>(store::meter::of_concentrator(conn, id)?)).await?;
    let ports: BTreeSet<u8> = meters.iter().map(|meter| meter.port).collect();
    if ports.is_empty() {
        return Err(Error::refused("no_meters", "the concentrator has no meters"));
    }
    note(app, id, by, "set_meter_clocks", String::new()).await?;
    for port in ports {
        ask(app, id, Enquiry::SetMeterClocks { port }).await?;
    }
    Ok(())
}

/// Writes down who is about to set what.
///
/// # Errors
/// The concentrator does not exist.
pub(crate) async fn note(
    app: &App,
    id: ConcentratorId,
    by: &str,
    verb: &'static str,
    detail: String,
) -> Result<(), Error> {
    let (by, now) = (by.to_owned(), app.clock.now());
    let written = app.db.write(move |conn| {
        store::concentrator::by_id(conn, id)?;
        let object = format!("concentrator:{id}");
        audit_line::write(conn, id.site(), (&by, now), verb, object, detail.clone())
    });
    written.await
}
