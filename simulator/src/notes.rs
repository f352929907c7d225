//! What a concentrator notes of itself and of its meters: two lists of the last events, each counted modulo 256.

use protocols::qgdw376::{EventClass, EventCounters, EventRange, EventRecord, Events};

/// The records that a list keeps.
const KEPT: usize = 255;

/// A concentrator's events.
#[derive(Debug, Default)]
pub struct Notes {
    important: List,
    general: List,
    /// Important events that the head end has read, modulo 256.
    read: u8,
}

#[derive(Debug, Default)]
struct List {
    counted: u8,
    /// The newest last.
    records: Vec<EventRecord>,
}

impl Notes {
    /// An event happens.
    pub fn take(&mut self, class: EventClass, event: EventRecord) {
        let list = self.of(class);
        list.counted = list.counted.wrapping_add(1);
        list.records.push(event);
        if list.records.len() > KEPT {
            list.records.remove(0);
        }
    }

    /// EC, while there is an important event that was not read.
    #[must_use]
    pub fn announced(&self) -> Option<EventCounters> {
        (self.important.counted != self.read).then(|| self.counters())
    }

    /// The records asked for, as far as they are kept; none of them: it is refused.
    pub fn read(&mut self, asked: EventRange) -> Option<Events> {
        let counters = self.counters();
        let list = self.of(asked.class);
        let records: Vec<EventRecord> = (0..asked.records())
            .filter_map(|nth| {
                let back = usize::from(list.counted.wrapping_sub(asked.from.wrapping_add(nth)));
                list.records.get(list.records.len().checked_sub(back).filter(|_| back > 0)?).cloned()
            })
            .collect();
        if asked.class == EventClass::Important && asked.to == counters.important {
            self.read = asked.to;
        }
        (!records.is_empty()).then_some(Events { range: asked, counters, records })
    }

    /// EC.
    #[must_use]
    pub const fn counters(&self) -> EventCounters {
        EventCounters { important: self.important.counted, general: self.general.counted }
    }

    const fn of(&mut self, class: EventClass) -> &mut List {
        match class {
            EventClass::Important => &mut self.important,
            EventClass::General => &mut self.general,
        }
    }
}
