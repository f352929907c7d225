//! What people and fate do unprovoked, drawn by seed: at what moment, to whom, for how long.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;

use crate::{
    aid::Aid,
    clock::shift,
    contract::Contract,
    control::Control,
    leaving::Leave,
    plan::{Random, Size, between},
    till::Till,
};

/// Something that happens at a moment. Meters and concentrators are named by their place in the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A customer's account is opened; `by_hand`: with the reading on the display.
    Open {
        /// Whose.
        meter: usize,
        /// Opening credit in minor units.
        credit: i64,
        /// Whether the reading is entered by hand.
        by_hand: bool,
    },
    /// A customer pays.
    Pay {
        /// Who.
        meter: usize,
        /// Minor units.
        amount: i64,
        /// What goes on at the counter.
        manner: Manner,
    },
    /// A counter takes a vend back.
    Reverse {
        /// Which: the n-th of those that were acknowledged by then, counted round and round.
        nth: usize,
        /// Whether it says why.
        reason: bool,
        /// What goes on at the counter.
        manner: Retraction,
    },
    /// A counter prints a receipt again.
    Reprint {
        /// Which: see [`Event::Reverse`].
        nth: usize,
    },
    /// An operator orders a relay moved.
    Order {
        /// Whose.
        meter: usize,
        /// Off or on.
        off: bool,
    },
    /// A technician replaces a meter by one that its concentrator has to spare.
    Replace {
        /// Whose.
        meter: usize,
        /// Whether the readings are entered by hand.
        by_hand: bool,
    },
    /// A customer gets money back, leaves, or passes the account on.
    Leave(Leave),
    /// An office does something beside selling.
    Aid(Aid),
    /// An office changes an account.
    Contract(Contract),
    /// A control room orders many meters at once, or presses the stop button.
    Control(Control),
    /// A shift begins or ends at a counter.
    Till(Till),
    /// An operator sets or lifts a guard.
    Guard {
        /// Whose.
        meter: usize,
        /// Whether on the account rather than the meter.
        account: bool,
        /// Set or lifted.
        on: bool,
    },
    /// An operator turns the site's switch: off, report only, on.
    Switch(u8),
    /// Somebody has a meter read now.
    ReadNow(usize),
    /// A fault begins.
    Begin(Trouble, SignedDuration),
    /// It is over.
    End(Trouble),
    /// The process dies: at once, or at the database's so many-th passage from now; it is started again after a while.
    Crash {
        /// Passages.
        passages: Option<u32>,
        /// Until it is started again.
        away: SignedDuration,
    },
    /// All links break at once, and all concentrators dial again at once.
    Storm(SignedDuration),
    /// A concentrator's link breaks for so long.
    Drop(usize, SignedDuration),
    /// Hot balances are wiped.
    WipeHot,
    /// Hot balances as they are now come back after a while: all of them, from an old dump, or as updates that were late.
    OldHot {
        /// After how long.
        after: SignedDuration,
        /// From a dump, in place of all that is there.
        dump: bool,
    },
    /// A meter's actor panics.
    PanicMeter {
        /// Which.
        meter: usize,
        /// In a future rather than a handler.
        future: bool,
    },
    /// A concentrator's actor panics.
    PanicConcentrator(usize),
}

/// What goes on at the counter when a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing special.
    Plain,
    /// The button is clicked twice.
    Twice,
    /// The key is used again with another amount.
    OtherContent,
    /// The client is cut off so soon that it hears nothing.
    CutOff,
    /// More than is allowed.
    TooMuch,
}

/// What goes on at the counter when a vend is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retraction {
    /// Nothing special.
    Plain,
    /// The button is clicked twice.
    Twice,
    /// Another counter wants the same after a while, under a key of its own.
    Again(SignedDuration),
    /// The key is used again after a while, with another reason.
    OtherContent(SignedDuration),
    /// The client is cut off at the database's so many-th passage, so soon that it hears nothing.
    CutOff(u32),
}

/// A fault that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A meter answers nothing.
    Silent(usize),
    /// A meter executes commands this much later than it acknowledges them.
    Slow(usize, SignedDuration),
    /// A meter acknowledges and does not move.
    Stuck(usize),
    /// A meter shows this many kWh too much to polls.
    Lying(usize, i64),
    /// A meter refuses passwords.
    Refusing(usize),
    /// A meter's actor panics whenever it starts.
    Poisoned(usize),
    /// A concentrator lost its archive, and restarted.
    LostArchive(usize),
    /// A technician exchanged two meters in a concentrator's archive, and restarted it.
    SwappedArchive(usize),
    /// A concentrator's clock is off by this.
    WrongClock(usize, SignedDuration),
    /// A concentrator answers from copies this old.
    Cached(usize, SignedDuration),
    /// The head end's clock is off by this.
    HeadEndClock(SignedDuration),
}

/// The names of all that fate does, as the coverage lists them.
pub const NAMES: &[&str] = &[
    "silent",
    "slow",
    "stuck",
    "lying",
    "refusing",
    "poisoned",
    "lost archive",
    "swapped archive",
    "wrong clock",
    "cached",
    "head end clock",
    "crash",
    "storm",
    "drop",
    "hot wiped",
    "hot from a dump",
    "hot updated late",
    "meter panic",
    "concentrator panic",
];

impl Event {
    /// Its name in the coverage; people's doings have none.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Begin(trouble, _) => trouble.name(),
            Self::Crash { .. } => "crash",
            Self::Storm(_) => "storm",
            Self::Drop(..) => "drop",
            Self::WipeHot => "hot wiped",
            Self::OldHot { dump: true, .. } => "hot from a dump",
            Self::OldHot { dump: false, .. } => "hot updated late",
            Self::PanicMeter { .. } => "meter panic",
            Self::PanicConcentrator(_) => "concentrator panic",
            _ => return None,
        })
    }
}

impl Trouble {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent(_) => "silent",
            Self::Slow(..) => "slow",
            Self::Stuck(_) => "stuck",
            Self::Lying(..) => "lying",
            Self::Refusing(_) => "refusing",
            Self::Poisoned(_) => "poisoned",
            Self::LostArchive(_) => "lost archive",
            Self::SwappedArchive(_) => "swapped archive",
            Self::WrongClock(..) => "wrong clock",
            Self::Cached(..) => "cached",
            Self::HeadEndClock(_) => "head end clock",
        }
    }

    /// The meter it is about.
    #[must_use]
    pub fn meter(self) -> Option<usize> {
        match self {
            Self::Silent(meter)
            | Self::Slow(meter, _)
            | Self::Stuck(meter)
            | Self::Lying(meter, _)
            | Self::Refusing(meter)
            | Self::Poisoned(meter) => Some(meter),
            _ => None,
        }
    }

    /// The concentrator it is about.
    #[must_use]
    pub fn concentrator(self) -> Option<usize> {
        match self {
            Self::LostArchive(one) | Self::SwappedArchive(one) | Self::WrongClock(one, _) | Self::Cached(one, _) => {
                Some(one)
            }
            _ => None,
        }
    }
}

/// Everything that happens unprovoked between `start` and `quiet_from`, in the order of time.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let mut all = Vec::new();
    for meter in 0..usize::from(size.meters) {
        let at = shift(start, minutes(random.random_range(10..240)));
        let credit = random.random_range(-200..9_000);
        all.push((at, Event::Open { meter, credit, by_hand: random.random_bool(0.15) }));
    }
    // A moment after the beginning, so that each fault meets a site that works.
    let begin = shift(start, minutes(60));
    let days = i64::from(size.days);
    let mut scatter = |random: &mut Random, per_day: i64, what: &mut dyn FnMut(&mut Random) -> Event| {
        for _ in 0..random.random_range(0..=2 * per_day * days) {
            all.push((between(random, begin, quiet_from), what(random)));
        }
    };
    let meters = usize::from(size.meters);
    let concentrators = usize::from(size.concentrators);
    let per_day = i64::from(size.meters);
    scatter(random, per_day / 2, &mut |random| pay(random, meters));
    people(random, meters, &mut scatter);
    // Some seeds have an easy life in this or that respect.
    for nth in 0..11 {
        if random.random_bool(0.6) {
            scatter(random, 1 + per_day / 40, &mut |random| trouble(random, nth, meters, concentrators));
        }
    }
    if random.random_bool(0.7) {
        scatter(random, 1, &mut crash);
    }
    scatter(random, 1, &mut |random| Event::Storm(seconds(random.random_range(1..900))));
    scatter(random, 2, &mut |random| {
        let longest = if random.random_bool(0.05) { 120_000 } else { 7_200 };
        Event::Drop(random.random_range(0..concentrators), seconds(random.random_range(1..longest)))
    });
    scatter(random, 1, &mut |_| Event::WipeHot);
    scatter(random, 1, &mut |random| {
        let after = seconds(random.random_range(1..10_000));
        Event::OldHot { after, dump: random.random_bool(0.5) }
    });
    scatter(random, 1, &mut |random| Event::PanicMeter {
        meter: random.random_range(0..meters),
        future: random.random_bool(0.5),
    });
    scatter(random, 1, &mut |random| Event::PanicConcentrator(random.random_range(0..concentrators)));
    let ends: Vec<_> = all.iter().filter_map(|(at, event)| ended(*at, event, quiet_from)).collect();
    all.extend(ends);
    // Stable: what was drawn first happens first where the moment is the same.
    all.sort_by_key(|(at, _)| *at);
    all
}

/// The vends that are taken back between `start` and `quiet_from`.
#[must_use]
pub fn reversals(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let per_day = 1 + i64::from(size.meters) / 10;
    let many = random.random_range(0..=2 * per_day * i64::from(size.days));
    let begin = shift(start, minutes(60));
    (0..many).map(|_| (between(random, begin, quiet_from), reversal(random))).collect()
}

fn reversal(random: &mut Random) -> Event {
    let later = seconds(random.random_range(0..600));
    let manner = match random.random_range(0..10) {
        0 => Retraction::Twice,
        1..=2 => Retraction::Again(later),
        3 => Retraction::OtherContent(later),
        4..=5 => Retraction::CutOff(random.random_range(1..5)),
        _ => Retraction::Plain,
    };
    Event::Reverse { nth: random.random_range(0..1_000), reason: random.random_bool(0.6), manner }
}

type Scatter<'a> = dyn FnMut(&mut Random, i64, &mut dyn FnMut(&mut Random) -> Event) + 'a;

fn people(random: &mut Random, meters: usize, scatter: &mut Scatter<'_>) {
    scatter(random, 3, &mut |random| Event::Order {
        meter: random.random_range(0..meters),
        off: random.random_bool(0.5),
    });
    scatter(random, 3, &mut |random| Event::Guard {
        meter: random.random_range(0..meters),
        account: random.random_bool(0.5),
        on: random.random_bool(0.4),
    });
    scatter(random, 2, &mut |random| Event::ReadNow(random.random_range(0..meters)));
    if random.random_bool(0.4) {
        scatter(random, 1, &mut |random| Event::Switch(random.random_range(0..4)));
    }
}

fn pay(random: &mut Random, meters: usize) -> Event {
    let manner = match random.random_range(0..20) {
        0..=1 => Manner::Twice,
        2 => Manner::OtherContent,
        3..=4 => Manner::CutOff,
        5 => Manner::TooMuch,
        _ => Manner::Plain,
    };
    Event::Pay { meter: random.random_range(0..meters), amount: random.random_range(1..9_000), manner }
}

fn crash(random: &mut Random) -> Event {
    let passages = random.random_bool(0.8).then(|| random.random_range(1..200));
    let away = if random.random_bool(0.8) { random.random_range(1..120) } else { random.random_range(120..18_000) };
    Event::Crash { passages, away: seconds(away) }
}

fn trouble(random: &mut Random, nth: u8, meters: usize, concentrators: usize) -> Event {
    let meter = random.random_range(0..meters);
    let concentrator = random.random_range(0..concentrators);
    let span = |random: &mut Random, from: i64, to: i64| minutes(random.random_range(from..to));
    let (trouble, lasts) = match nth {
        // Now and then over a midnight and the noon after it, so that the freeze comes late.
        0 => {
            let longest = if random.random_bool(0.3) { 2_000 } else { 600 };
            (Trouble::Silent(meter), minutes(random.random_range(1..longest)))
        }
        1 => (Trouble::Slow(meter, span(random, 0, 5) + seconds(20)), span(random, 60, 900)),
        2 => (Trouble::Stuck(meter), span(random, 30, 600)),
        3 => {
            let lasts = span(random, 10, 200);
            let kwh = random.random_range(40_000..400_000);
            (Trouble::Lying(meter, if random.random_bool(0.5) { kwh } else { -kwh }), lasts)
        }
        4 => (Trouble::Refusing(meter), span(random, 30, 400)),
        5 => (Trouble::Poisoned(meter), span(random, 1, 40)),
        6 => (Trouble::LostArchive(concentrator), span(random, 11, 30)),
        7 => (Trouble::SwappedArchive(concentrator), span(random, 30, 300)),
        8 => {
            let lasts = span(random, 60, 600);
            let off = seconds(random.random_range(-90..90)) * if random.random_bool(0.5) { 1 } else { 200 };
            (Trouble::WrongClock(concentrator, off), lasts)
        }
        9 => (Trouble::Cached(concentrator, span(random, 1, 40)), span(random, 60, 900)),
        _ => {
            let lasts = span(random, 1, 90);
            let off = seconds(random.random_range(-240..240)) * if random.random_bool(0.6) { 1 } else { 60 };
            (Trouble::HeadEndClock(off), lasts)
        }
    };
    Event::Begin(trouble, lasts)
}

/// The end of what lasts, at the latest when it becomes quiet.
fn ended(at: Timestamp, event: &Event, quiet_from: Timestamp) -> Option<(Timestamp, Event)> {
    match event {
        Event::Begin(trouble, lasts) => Some((shift(at, *lasts).min(quiet_from), Event::End(*trouble))),
        _ => None,
    }
}

/// So long.
#[must_use]
pub fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}
