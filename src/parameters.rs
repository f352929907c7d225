//! Parameters of a concentrator as operators see them: read from it, changed field by field, and read back.

use std::net::SocketAddrV4;

use actors::{Enquiry, Told};
use domain::ids::ConcentratorId;
use protocols::qgdw376::{self, Afn, EventSelection, Master, Parameter, UplinkPort};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    enquiry::{ask, note},
    operations::Error,
};

/// Parameters, as they are told or to be set. What is null or absent the concentrator does not know, or stays as it is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConcentratorParameters)]
pub struct Parameters {
    /// Time between two heartbeats, in minutes, from 1 (F1).
    pub heartbeat_min: Option<u8>,
    /// The master station that it dials, `address:port`; a wrong one loses the concentrator (F3).
    #[schema(value_type = Option<String>)]
    pub main: Option<SocketAddrV4>,
    /// Whom it dials if that does not answer; `0.0.0.0:0`: nobody (F3).
    #[schema(value_type = Option<String>)]
    pub backup: Option<SocketAddrV4>,
    /// The access point name, up to 16 letters, digits and signs of ASCII (F3).
    pub apn: Option<String>,
    /// The events that it notes, by ERC, 1 to 64 (F9).
    pub noted_events: Option<Vec<u8>>,
    /// Those of them that it announces by itself and that raise alarms, 1 to 64 (F9).
    pub important_events: Option<Vec<u8>>,
}

/// Sets what is named, function by function, each read before and read back; then all are told as they are. Nothing named: they
/// are only read.
///
/// # Errors
/// The field that does not hold; the concentrator does not exist; `concentrator_offline`, `no_answer`; `denied` where it does not
/// take it, and `not_taken` where it says something else afterwards.
pub async fn change(app: &App, id: ConcentratorId, to: Parameters, by: &str) -> Result<Parameters, Error> {
    check(&to)?;
    app.db.read(move |conn| Ok::<_, Error>(store::concentrator::by_id(conn, id)?)).await?;
    if to != Parameters::default() {
        let detail = serde_json::to_string(&to).unwrap_or_default();
        note(app, id, by, "set_parameters", detail).await?;
    }
    let mut told = Parameters::default();
    for function in Parameter::FUNCTIONS {
        let Some(before) = read(app, id, function).await? else {
            if to.names(function) {
                return Err(Error::refused("denied", format!("the concentrator does not know F{function}")));
            }
            continue;
        };
        let wanted = to.over(before.clone());
        if wanted != before {
            ask(app, id, Enquiry::SetParameter(wanted.clone())).await?;
            if read(app, id, function).await?.as_ref() != Some(&wanted) {
                return Err(Error::conflict("not_taken", format!("F{function} is not what was set")));
            }
        }
        told.take(wanted);
    }
    Ok(told)
}

fn check(to: &Parameters) -> Result<(), Error> {
    if to.heartbeat_min == Some(0) {
        return Err(Error::field("heartbeat_min", "heartbeat_min", "must be 1 to 255"));
    }
    if to.apn.as_ref().is_some_and(|apn| apn.len() > APN || !apn.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Error::field("apn", "apn", format!("must be up to {APN} letters, digits and signs of ASCII")));
    }
    for (field, events) in [("noted_events", &to.noted_events), ("important_events", &to.important_events)] {
        if events.iter().flatten().any(|code| !(1..=ERC_MAX).contains(code)) {
            return Err(Error::field(field, field, format!("must be 1 to {ERC_MAX}")));
        }
    }
    Ok(())
}

const APN: usize = 16;
const ERC_MAX: u8 = 64;

/// A parameter as the concentrator tells it; none where it denies to.
async fn read(app: &App, id: ConcentratorId, function: u16) -> Result<Option<Parameter>, Error> {
    let question = qgdw376::Enquiry::of(Afn::Query, function, &[0], &[]).map_err(|_| Error::Busy)?;
    match ask(app, id, Enquiry::Functions(question)).await {
        Ok(Told::Concentrator(frames)) => Ok(frames.first().and_then(|frame| Parameter::decode(frame).ok())),
        Ok(_) => Err(Error::Busy),
        Err(Error::Refused { code: "denied", .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Parameters {
    /// Whether a field of this function is named.
    fn names(&self, function: u16) -> bool {
        match function {
            Parameter::UPLINK => self.heartbeat_min.is_some(),
            Parameter::MASTER => self.main.is_some() || self.backup.is_some() || self.apn.is_some(),
            _ => self.noted_events.is_some() || self.important_events.is_some(),
        }
    }

    /// A parameter with what is named in place of what it had.
    fn over(&self, before: Parameter) -> Parameter {
        match before {
            Parameter::Uplink(had) => Parameter::Uplink(UplinkPort {
                heartbeat_min: self.heartbeat_min.unwrap_or(had.heartbeat_min),
                timing: had.timing,
            }),
            Parameter::Master(had) => Parameter::Master(Master {
                main: self.main.unwrap_or(had.main),
                backup: self.backup.unwrap_or(had.backup),
                apn: self.apn.clone().unwrap_or(had.apn),
            }),
            Parameter::Events(had) => Parameter::Events(EventSelection {
                noted: self.noted_events.as_ref().map_or(had.noted, |codes| bits(codes)),
                important: self.important_events.as_ref().map_or(had.important, |codes| bits(codes)),
            }),
        }
    }

    fn take(&mut self, parameter: Parameter) {
        match parameter {
            Parameter::Uplink(UplinkPort { heartbeat_min, .. }) => self.heartbeat_min = Some(heartbeat_min),
            Parameter::Master(Master { main, backup, apn }) => {
                (self.main, self.backup, self.apn) = (Some(main), Some(backup), Some(apn));
            }
            Parameter::Events(EventSelection { noted, important }) => {
                (self.noted_events, self.important_events) = (Some(codes(noted)), Some(codes(important)));
            }
        }
    }
}

/// A bit for each ERC, that of ERC 1 the lowest.
fn bits(codes: &[u8]) -> u64 {
    codes.iter().fold(0, |bits, code| bits | 1 << (u32::from(*code).saturating_sub(1) & 63))
}

fn codes(bits: u64) -> Vec<u8> {
    (1..=ERC_MAX).filter(|code| bits >> (code - 1) & 1 == 1).collect()
}
