//! One concentrator and its meters, and ordinary settings; shared with the unit tests.

use std::{collections::BTreeSet, sync::Arc};

use actors::{
    FleetSettings,
    ports::{ConcentratorPlan, ConcentratorProfile, MeterPlan, MeterProfile},
};
use domain::{
    account::Limits,
    debt::Terms,
    energy::Energy,
    ids::{ConcentratorId, MeterId, SiteId},
    money::Money,
    notice::Channel,
    relay::RelayControl,
    site::{
        AutomaticDisconnection, CreditPolicy, DebtPolicy, DisconnectionPolicy, MassCutPolicy, NoticePolicy, Policy,
        PollingPolicy, ReadingPolicy, RelayPolicy, SettlementPolicy, VendPolicy,
    },
};
use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use protocols::{
    Secret,
    dlt645::{MeterAddress, Password},
    qgdw376::{LineSettings, TerminalAddress},
};

pub fn site() -> SiteId {
    SiteId::new(1).unwrap()
}

pub fn concentrator() -> ConcentratorId {
    ConcentratorId::new(site(), 1).unwrap()
}

pub fn meter(number: u16) -> MeterId {
    MeterId::new(site(), number.into()).unwrap()
}

pub fn address(number: u16) -> MeterAddress {
    format!("{number:012}").parse().unwrap()
}

pub fn terminal() -> TerminalAddress {
    "2105-00007".parse().unwrap()
}

pub fn password() -> Password {
    Password::new(2, 123_456).unwrap()
}

/// Meters 1, 2, .. at points 101, 102, .. with serial numbers 11, 12, ...
pub fn plan(meters: u16, today: Date) -> ConcentratorPlan {
    ConcentratorPlan {
        id: concentrator(),
        terminal: terminal(),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        policy: Arc::new(policy()),
        profile: ConcentratorProfile {
            points_per_request: 8,
            password: Secret::ZERO,
            msa: 1,
            order_forward_timeout_s: 60,
            poll_forward_timeout_s: 20,
            byte_timeout_10ms: 10,
        },
        meters: (1..=meters).map(|number| meter_plan(number, today)).collect(),
        important_events_read_to: None,
        general_events_read_to: None,
    }
}

pub fn meter_plan(number: u16, today: Date) -> MeterPlan {
    MeterPlan {
        id: meter(number),
        address: address(number),
        serial: 10 + number,
        point: 100 + number,
        port: 31,
        rate: 0,
        line: LineSettings::BAUD_2400_8E1,
        profile: MeterProfile {
            tariffs: 4,
            relay_control: RelayControl::Plain,
            relay_password: password(),
            relay_operator: 1,
            archive_password: Secret::ZERO,
            utc_offset: None,
        },
        since: today,
        freezes_held: BTreeSet::new(),
        last_reading_at: None,
    }
}

/// Ordinary limits; no relay checks, and slots that are not spread.
pub fn settings() -> FleetSettings {
    FleetSettings {
        arbiters: 0,
        mailbox_messages: 1024,
        message_deadline_ms: 5_000,
        max_sessions: 4,
        first_frame_deadline_ms: 30_000,
        frame_deadline_ms: 10_000,
        max_frame_bytes: 4_096,
        events_per_request: 3,
        write_deadline_ms: 20_000,
        outgoing_frames: 8,
        trace_frames: 4,
        refused_peers_logged: 10,
        heartbeat_interval_ms: 300_000,
        missed_heartbeats: 3,
        heartbeat_report_ms: 60_000,
        break_ms: 600_000,
        answer_deadline_ms: 20_000,
        forward_margin_ms: 5_000,
        broadcast_wait_s: 1,
        attempts: 3,
        retry_back_off_ms: 2_000,
        retry_back_off_max_ms: 60_000,
        queue_jobs: 100,
        batch_linger_ms: 50,
        archive_records_per_request: 20,
        uncommitted_batches: 2,
        port_deadline_ms: 10_000,
        due_scan_ms: 1_000,
        order_retry_ms: 5_000,
        read_now_deadline_ms: 90_000,
        read_now_waiting: 2,
        poll_spread_percent: 0,
        archive_check_s: 86_400,
        clock_check_s: 86_400,
        relay_check_s: 0,
        relay_doubt_s: 400,
        check_retry_s: 600,
        restart_back_off_ms: 1_000,
        restart_back_off_max_ms: 60_000,
        restart_limit: 3,
        restart_window_s: 600,
    }
}

pub fn policy() -> Policy {
    let (hours, minutes) = (SignedDuration::from_hours, SignedDuration::from_mins);
    Policy {
        disconnection: DisconnectionPolicy {
            automatic: AutomaticDisconnection::On,
            friendly_hours: Vec::new(),
            protected_weekdays: Vec::new(),
            holidays: Vec::new(),
            reading_freshness: hours(2),
            unread_alarm_after: hours(24),
            seen_again_grace: minutes(10),
            seen_again_gap_slots: 2,
            seen_again_grace_per_day: hours(2),
            clock_tolerance: minutes(5),
            held_recheck: hours(1),
            hold_longest: hours(24 * 90),
            payment_longest: minutes(15),
            payments_per_episode: minutes(30),
            mass_cut: MassCutPolicy { per_hour: 50, per_day: 20, per_day_percent: 5 },
        },
        credit: CreditPolicy {
            warning_lead: hours(24),
            warning_spacing: hours(24),
            warning_repeat_after: hours(7 * 24),
            forecast_window: hours(7 * 24),
            forecast_minimum: hours(24),
            maximum_limit: Money::new(100_000_000),
            limits: Limits {
                alarm_1: Money::new(2_000),
                alarm_2: Money::new(500),
                rearm_margin: Money::new(100),
                overdraft: Money::ZERO,
                restore_margin: Money::new(1),
                emergency_credit: Money::ZERO,
            },
        },
        reading: ReadingPolicy {
            future_tolerance: minutes(10),
            cross_clock_tolerance: minutes(6),
            overload_percent: 120,
            period_tolerance: Energy::new(200),
        },
        settlement: SettlementPolicy {
            interpolate_from: "12:00".parse().unwrap(),
            correction_horizon: hours(35 * 24),
            meters_per_account: 50,
        },
        relay: RelayPolicy {
            disconnect_expiry: hours(24),
            disconnect_attempts: 3,
            read_back_interval: SignedDuration::from_secs(5),
            read_back_window: SignedDuration::from_secs(60),
            customer_interval: minutes(5),
            retry_first: SignedDuration::from_secs(10),
            retry_cap: minutes(10),
            proven_before_opening: true,
        },
        vending: VendPolicy {
            maximum_per_vend: Money::new(1_000_000),
            maximum_per_cashier_day: Money::new(5_000_000),
            registered_terminals_only: false,
        },
        debts: DebtPolicy { maximum: Money::new(10_000_000), terms: Terms { share_ppm: 200_000, weekly_cap: None } },
        polling: PollingPolicy {
            slot: minutes(15),
            silent_cap: hours(6),
            freeze_from: "00:05".parse().unwrap(),
            freeze_until: "12:00".parse().unwrap(),
            freeze_retry: hours(1),
            backfill_days: 3,
            round_limit_percent: 80,
        },
        notices: NoticePolicy {
            channel: Channel::Log,
            quiet_from: None,
            quiet_to: None,
            retry_first: minutes(1),
            retry_cap: hours(1),
            attempts: 5,
            by_hand_alarm_after: hours(24),
        },
    }
}
