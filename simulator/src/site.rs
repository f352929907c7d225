//! A whole simulated site: concentrators with their meters, what the head end has to know of them, and handles by which
//! a test or the demo plays customer and fate.
//!
//! The site is the world: it outlives the runtimes its concentrators run on, and the head ends they dial.

mod handles;

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use domain::energy::Energy;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use protocols::{
    Secret,
    dlt645::{BadMeterAddress, MeterAddress, Password},
    qgdw376::TerminalAddress,
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
};

use crate::{
    bus::{Bus, BusSettings, Cache, SharedMeter, lock},
    concentrator::{Concentrator, ConcentratorSettings},
    faults::{FaultRates, Faults},
    load::{LoadCurve, ROLLOVER},
    meter::{Meter, MeterSpec},
    run::{Clock, ModemSettings, Station, run},
};

pub use self::handles::{ConcentratorHandle, MeterHandle};

/// What a site consists of. One seed fixes all that is drawn: loads, start readings, faults.
#[derive(Debug, Clone)]
pub struct SiteSpec {
    /// Fixes all that is drawn.
    pub seed: u64,
    /// How many concentrators.
    pub concentrators: u16,
    /// How many meters in all; the concentrators share them as evenly as possible.
    pub meters: u16,
    /// A1 of the concentrators, four BCD digits.
    pub region: u16,
    /// A2 of the first concentrator; the others follow.
    pub first_terminal: u16,
    /// The first meter's address as a number; the others follow.
    pub first_meter: u64,
    /// Nominal load of each meter in W.
    pub load_w: u16,
    /// Where the site is; the clocks of meters and concentrators show its local time.
    pub zone: TimeZone,
    /// How old the meters are when the site begins, so that there are freezes of the days before.
    pub age: SignedDuration,
    /// How many meters, from the first one on, are new when the site begins, with a total and a flat period that are 1
    /// to 30 kWh short of beginning again at zero.
    pub near_rollover: u16,
    /// The others start below this, drawn; small in a new building, where registers are alike.
    pub start_below: Energy,
    /// What the meters want before they move their relay.
    pub password: Password,
    /// Whether the meters claim to sell electricity by themselves.
    pub local_prepay: bool,
    /// How the concentrators keep their links and answer.
    pub settings: ConcentratorSettings,
    /// How they read their meters.
    pub bus: BusSettings,
    /// How they dial.
    pub modem: ModemSettings,
    /// What goes wrong.
    pub faults: FaultRates,
}

impl SiteSpec {
    /// Three prompt and faultless concentrators with 60 meters of 10 kW in all, four days old.
    #[must_use]
    pub fn small(seed: u64, zone: TimeZone, password: Password) -> Self {
        Self {
            seed,
            concentrators: 3,
            meters: 60,
            region: 0x9901,
            first_terminal: 1,
            first_meter: 202_600_000_001,
            load_w: 10_000,
            zone,
            age: SignedDuration::from_hours(4 * 24),
            near_rollover: 0,
            start_below: Energy::new(100_000_000),
            password,
            local_prepay: false,
            settings: ConcentratorSettings {
                heartbeat: SignedDuration::from_secs(60),
                confirm_timeout: SignedDuration::from_secs(10),
                confirm_tries: 3,
                answer_delay: SignedDuration::from_millis(20),
                meter_delay: SignedDuration::from_millis(200),
                points_per_answer: 8,
                requests_waiting: 8,
                password: Secret::ZERO,
            },
            bus: BusSettings {
                cache: Cache::Live,
                freeze_copied_after: SignedDuration::from_mins(3),
                clock_offset: SignedDuration::ZERO,
            },
            modem: ModemSettings {
                redial_min: Duration::from_secs(1),
                redial_max: Duration::from_secs(60),
                write_timeout: Duration::from_secs(10),
            },
            faults: FaultRates::NONE,
        }
    }
}

/// Why a site cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// There is no concentrator to put the meters behind.
    #[error("a site needs a concentrator")]
    NoConcentrator,
    /// The concentrators' numbers leave 1..=65534.
    #[error("terminal numbers go from 1 to 65534")]
    Terminals,
    /// The meters' addresses leave twelve digits.
    #[error(transparent)]
    Meters(#[from] BadMeterAddress),
}

/// A meter as the head end has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterListing {
    /// Its address.
    pub address: MeterAddress,
    /// Its record's number in the concentrator's archive, 1..
    pub serial: u16,
    /// Its measuring point, 1..
    pub point: u16,
}

/// A concentrator as the head end has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcentratorListing {
    /// Region and terminal number.
    pub address: TerminalAddress,
    /// The meters behind it.
    pub meters: Vec<MeterListing>,
}

/// A simulated site. Clones are the same site.
#[derive(Clone)]
pub struct Site {
    /// Reads `newest`, whatever that is by then.
    clock: Clock,
    newest: Arc<RwLock<Clock>>,
    modem: ModemSettings,
    listing: Arc<[ConcentratorListing]>,
    stations: Arc<BTreeMap<TerminalAddress, Arc<Station>>>,
    meters: Arc<BTreeMap<MeterAddress, SharedMeter>>,
}

impl Site {
    /// Builds the site as it stands at the clock's present; nothing dials yet.
    ///
    /// # Errors
    /// Refuses a site without concentrators and addresses out of range.
    pub fn new(spec: &SiteSpec, clock: Clock) -> Result<Self, SiteError> {
        let newest = Arc::new(RwLock::new(clock));
        let read = Arc::clone(&newest);
        let clock: Clock = Arc::new(move || read.read().unwrap_or_else(PoisonError::into_inner)());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(spec.seed);
        let now = clock();
        let mut listing = Vec::new();
        let mut stations = BTreeMap::new();
        let mut meters = BTreeMap::new();
        let each = spec.meters.checked_div(spec.concentrators).ok_or(SiteError::NoConcentrator)?;
        let mut installed: u16 = 0;
        for index in 0..spec.concentrators {
            let terminal = spec.first_terminal.checked_add(index).filter(|number| (1..u16::MAX).contains(number));
            let address = TerminalAddress { region: spec.region, terminal: terminal.ok_or(SiteError::Terminals)? };
            let share = each + u16::from(index < spec.meters % spec.concentrators);
            let mut listed = Vec::new();
            let mut behind = Vec::new();
            for serial in 1..=share {
                let meter = install(spec, installed, now, &mut random)?;
                installed += 1;
                listed.push(MeterListing { address: meter.address(), serial, point: serial });
                let meter = Arc::new(Mutex::new(meter));
                meters.insert(lock(&meter).address(), Arc::clone(&meter));
                behind.push(meter);
            }
            let bus = Bus::new(spec.bus.clone(), spec.zone.clone(), behind);
            let faults = Faults::new(spec.faults, random.random());
            let machine = Concentrator::new(address, spec.settings.clone(), faults, bus);
            stations.insert(address, Arc::new(Station::new(machine)));
            listing.push(ConcentratorListing { address, meters: listed });
        }
        let (listing, stations, meters) = (listing.into(), stations.into(), meters.into());
        Ok(Self { clock, newest, modem: spec.modem, listing, stations, meters })
    }

    /// The true time is told by another clock from now on, which should go on where the last one stopped; all handles
    /// and running concentrators read it.
    pub fn set_clock(&self, clock: Clock) {
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = clock;
    }

    /// What the head end has to be told before it can read this site.
    #[must_use]
    pub fn concentrators(&self) -> &[ConcentratorListing] {
        &self.listing
    }

    /// The meter of this address.
    #[must_use]
    pub fn meter(&self, address: MeterAddress) -> Option<MeterHandle> {
        let meter = Arc::clone(self.meters.get(&address)?);
        Some(MeterHandle::new(Arc::clone(&self.clock), meter))
    }

    /// The concentrator of this address.
    #[must_use]
    pub fn concentrator(&self, address: TerminalAddress) -> Option<ConcentratorHandle> {
        let station = Arc::clone(self.stations.get(&address)?);
        Some(ConcentratorHandle::new(Arc::clone(&self.clock), station))
    }

    /// Every concentrator dials the head end at `to` over TCP, on the present tokio runtime.
    #[must_use]
    pub fn run(&self, to: SocketAddr) -> Running {
        self.run_with(move |_| TcpStream::connect(to))
    }

    /// Every concentrator dials by `dial`, which is given its address; for in-memory links. The result and its runtime
    /// may be dropped at any moment and the site run again: links end, meters and archives stay.
    #[must_use]
    pub fn run_with<D, F, L>(&self, dial: D) -> Running
    where
        D: Fn(TerminalAddress) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = io::Result<L>> + Send + 'static,
        L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (address, station) in self.stations.iter() {
            let (address, dial) = (*address, dial.clone());
            let dial = move || dial(address);
            tasks.spawn(run(Arc::clone(station), Arc::clone(&self.clock), self.modem, dial, stopped.clone()));
        }
        Running { stop, tasks }
    }
}

fn install(
    spec: &SiteSpec,
    index: u16,
    now: Timestamp,
    random: &mut Xoshiro256PlusPlus,
) -> Result<Meter, BadMeterAddress> {
    let load = LoadCurve { load_w: spec.load_w, seed: random.random(), zone: spec.zone.clone() };
    let (start, age) = if index < spec.near_rollover {
        (ROLLOVER - random.random_range(10_000..=300_000), SignedDuration::ZERO)
    } else {
        (random.random_range(0..spec.start_below.get().max(1)), spec.age)
    };
    let meter = MeterSpec {
        address: format!("{:012}", spec.first_meter.saturating_add(index.into())).parse()?,
        password: spec.password,
        start: Energy::new(start),
        load,
        clock_offset: SignedDuration::ZERO,
        local_prepay: spec.local_prepay,
    };
    Ok(Meter::new(meter, now.saturating_sub(age).unwrap_or(now)))
}

/// The dialling concentrators of a site. Dropped, they end at once.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Has every concentrator log out and hang up, and waits until they have.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests;
