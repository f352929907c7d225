//! The Fn of each AFN that are spoken here. Source: docs/protocols/qgdw376.md section 3.

/// AFN00.
pub(super) mod confirm {
    pub const ALL: u16 = 1;
    pub const DENIED: u16 = 2;
    pub const ONE_BY_ONE: u16 = 3;
}

/// AFN02.
pub(super) mod link {
    pub const LOGIN: u16 = 1;
    pub const LOGOUT: u16 = 2;
    pub const HEARTBEAT: u16 = 3;
}

/// AFN04 and AFN0A.
pub(super) mod parameter {
    pub const UPLINK: u16 = 1;
    pub const MASTER: u16 = 3;
    pub const EVENTS: u16 = 9;
    pub const ARCHIVE: u16 = 10;
}

/// AFN05.
pub(super) mod control {
    pub const CLOCK: u16 = 31;
}

/// AFN0C.
pub(super) mod realtime {
    pub const CLOCK: u16 = 2;
    pub const EVENT_COUNTERS: u16 = 7;
    pub const ENERGY: u16 = 129;
}

/// AFN0D.
pub(super) mod history {
    pub const DAILY_FREEZE: u16 = 161;
}

/// AFN0E.
pub(super) mod event {
    pub const IMPORTANT: u16 = 1;
    pub const GENERAL: u16 = 2;
}

/// AFN10.
pub(super) mod forward {
    pub const TRANSPARENT: u16 = 1;
}
