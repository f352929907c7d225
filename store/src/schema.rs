//! The tables as diesel sees them; private, by hand, and compared with both databases by a test. What each table and column
//! means stands in `migrations/postgres/*/up.sql`.

use diesel::{allow_tables_to_appear_in_same_query, table};

/// Declares tables with diesel's SQL types and ours.
macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident -> $kind:ty,)+ })+) => {$(
        table! {
            use diesel::sql_types::*;
            use crate::{column::*, time::*};

            $name ($($key),+) { $($column -> $kind,)+ }
        }
    )+};
}

tables! {
    sites (id) {
        id -> Number,
        name -> Text,
        time_zone -> Text,
        currency -> Text,
        currency_exponent -> Number,
        automatic_disconnection -> Word,
        version -> BigInt,
        cuts_stopped_before -> Nullable<Number>,
    }

    id_counters (site_id) {
        site_id -> Number,
        next_counter -> BigInt,
    }

    api_keys (prefix) {
        prefix -> Text,
        name -> Text,
        role -> Word,
        hash -> Text,
        site_id -> Nullable<Number>,
        created_at -> Instant,
        revoked_at -> Nullable<Instant>,
        terminal_id -> Nullable<Number>,
    }

    idempotency_keys (site_id, key) {
        site_id -> Number,
        key -> Text,
        content_hash -> Text,
        status -> Number,
        body -> Text,
        created_at -> Instant,
    }

    audit_lines (site_id, id) {
        site_id -> Number,
        id -> Number,
        at -> Instant,
        operator_key -> Text,
        verb -> Text,
        object -> Text,
        detail -> Text,
    }

    account_tariffs (site_id, account_id, place) {
        site_id -> Number,
        account_id -> Number,
        place -> BigInt,
        tariff_id -> Number,
        valid_from -> Word,
        entered_at -> Instant,
        operator_key -> Text,
        reason -> Text,
        told_version -> Nullable<BigInt>,
    }

    concentrators (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
        region -> Text,
        terminal -> Number,
        profile -> Text,
        password -> Nullable<Text>,
        clock_drift_s -> Nullable<BigInt>,
        clock_read_at -> Nullable<Instant>,
        last_login_at -> Nullable<Instant>,
        last_seen_at -> Nullable<Instant>,
        identity_checked_at -> Nullable<Instant>,
        version -> BigInt,
    }

    concentrator_events (site_id, id) {
        site_id -> Number,
        id -> Number,
        concentrator_id -> Number,
        list -> Word,
        number -> Number,
        code -> Number,
        content -> Text,
        occurred_at -> Nullable<Instant>,
        meter_id -> Nullable<Number>,
        received_at -> Instant,
    }

    unknown_concentrators (region, terminal) {
        region -> Text,
        terminal -> Number,
        peer -> Text,
        first_seen_at -> Instant,
        last_seen_at -> Instant,
        attempts -> BigInt,
    }

    meters (site_id, id) {
        site_id -> Number,
        id -> Number,
        concentrator_id -> Number,
        address -> Text,
        serial -> Number,
        point -> Number,
        port -> Number,
        profile -> Text,
        name -> Text,
        guarded -> Bool,
        guard_reason -> Nullable<Text>,
        relay -> Nullable<Word>,
        relay_command -> Nullable<Word>,
        relay_local_prepay -> Nullable<Bool>,
        relay_read_at -> Nullable<Instant>,
        relay_blocked -> Bool,
        identity -> Word,
        identity_at -> Nullable<Instant>,
        last_seen_at -> Nullable<Instant>,
        seen_again_at -> Nullable<Instant>,
        seen_gaps -> Number,
        last_good_as_of -> Nullable<Instant>,
        version -> BigInt,
        passwords -> Nullable<Text>,
    }

    meter_causes (site_id, meter_id, cause) {
        site_id -> Number,
        meter_id -> Number,
        cause -> Word,
    }

    readings (site_id, id) {
        site_id -> Number,
        id -> Number,
        meter_id -> Number,
        as_of -> Instant,
        kind -> Word,
        total -> Number,
        unwrapped -> Number,
        sharp -> Nullable<Number>,
        peak -> Nullable<Number>,
        flat -> Nullable<Number>,
        valley -> Nullable<Number>,
        deep_valley -> Nullable<Number>,
        reverse -> Nullable<Number>,
        quality -> Word,
        time_source -> Word,
        received_at -> Instant,
        copied_at -> Nullable<Instant>,
        resolution -> Number,
        reason -> Nullable<Text>,
        unwrapped_registers -> Word,
    }

    read_requests (site_id, id) {
        site_id -> Number,
        id -> Number,
        meter_id -> Number,
        state -> Word,
        requested_by -> Text,
        created_at -> Instant,
        ended_at -> Nullable<Instant>,
        reading_id -> Nullable<Number>,
        detail -> Nullable<Text>,
    }

    customers (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
        phone -> Nullable<Text>,
        language -> Word,
        version -> BigInt,
    }

    tariffs (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
    }

    tariff_versions (site_id, tariff_id, version) {
        site_id -> Number,
        tariff_id -> Number,
        version -> BigInt,
        valid_from -> Word,
        terms -> Word,
        entered_at -> Instant,
    }

    accounts (site_id, id) {
        site_id -> Number,
        id -> Number,
        number -> Text,
        customer_id -> Number,
        tariff_id -> Number,
        state -> Word,
        currency -> Text,
        guarded -> Bool,
        guard_reason -> Nullable<Text>,
        alarm_1 -> Number,
        alarm_2 -> Number,
        rearm_margin -> Number,
        overdraft -> Number,
        restore_margin -> Number,
        posted -> Number,
        carry -> Number,
        alarm_1_armed -> Bool,
        alarm_2_armed -> Bool,
        episode_began_at -> Nullable<Instant>,
        episode_forecast -> Bool,
        episode_warned -> Bool,
        warning_served_at -> Nullable<Instant>,
        last_warning_at -> Nullable<Instant>,
        decide_at -> Nullable<Instant>,
        opened_at -> Nullable<Instant>,
        version -> BigInt,
        fixed_to -> Nullable<Word>,
        closed_at -> Nullable<Instant>,
        debt -> Number,
        emergency_credit -> Number,
        episode_emergency -> Nullable<Word>,
        hold_until -> Nullable<Instant>,
    }

    installations (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        meter_id -> Number,
        multiplier -> Number,
        start_at -> Instant,
        start_value -> Number,
        start_reading_id -> Number,
        end_at -> Nullable<Instant>,
        end_value -> Nullable<Number>,
        end_reading_id -> Nullable<Number>,
        resettle_since -> Nullable<Instant>,
        start_registers -> Word,
        end_registers -> Word,
    }

    transactions (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        sequence -> BigInt,
        kind -> Word,
        key -> Text,
        object -> Text,
        at -> Instant,
        cost_before -> Nullable<Word>,
        cost_after -> Nullable<Word>,
        carry_before -> Nullable<Number>,
        carry_after -> Nullable<Number>,
        balance_after -> Number,
    }

    postings (site_id, transaction_id, line) {
        site_id -> Number,
        transaction_id -> Number,
        line -> BigInt,
        from_account -> Word,
        to_account -> Word,
        amount -> Number,
    }

    settled_days (site_id, account_id, day, installation_id, revision) {
        site_id -> Number,
        account_id -> Number,
        day -> Word,
        revision -> BigInt,
        end_value -> Number,
        reading_id -> Number,
        later_reading_id -> Nullable<Number>,
        energy -> Number,
        block_window -> Word,
        tariff_version -> BigInt,
        transaction_id -> Number,
        installation_id -> Number,
        period -> Word,
        cuts -> Word,
        registers -> Word,
    }

    settled_energies (site_id, account_id, block_window, tariff_version, period) {
        site_id -> Number,
        account_id -> Number,
        block_window -> Word,
        tariff_version -> BigInt,
        period -> Word,
        energy -> Number,
    }

    vends (site_id, id) {
        site_id -> Number,
        id -> Number,
        key -> Text,
        content_hash -> Text,
        account_id -> Number,
        transaction_id -> Number,
        terminal -> Text,
        tender -> Word,
        amount -> Number,
        tax -> Number,
        balance_before -> Number,
        balance_after -> Number,
        receipt_number -> Text,
        operator_key -> Text,
        created_at -> Instant,
        receipt -> Text,
        shift_id -> Nullable<Number>,
    }

    reversals (site_id, id) {
        site_id -> Number,
        id -> Number,
        vend_id -> Number,
        account_id -> Number,
        transaction_id -> Number,
        terminal -> Text,
        tender -> Word,
        amount -> Number,
        balance_before -> Number,
        balance_after -> Number,
        receipt_number -> Text,
        operator_key -> Text,
        reason -> Nullable<Text>,
        created_at -> Instant,
        receipt -> Text,
        shift_id -> Nullable<Number>,
    }

    refunds (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        transaction_id -> Number,
        terminal -> Text,
        tender -> Word,
        amount -> Number,
        balance_before -> Number,
        balance_after -> Number,
        receipt_number -> Text,
        operator_key -> Text,
        reason -> Text,
        created_at -> Instant,
        receipt -> Text,
        shift_id -> Nullable<Number>,
    }

    reprints (site_id, vend_id, number) {
        site_id -> Number,
        vend_id -> Number,
        number -> Number,
        terminal -> Text,
        operator_key -> Text,
        created_at -> Instant,
    }

    debt_lines (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        transaction_id -> Number,
        change -> Word,
        amount -> Number,
        owed_after -> Number,
        share_ppm -> Nullable<Number>,
        weekly_cap -> Nullable<Number>,
        vend_id -> Nullable<Number>,
        reason -> Nullable<Text>,
        operator_key -> Text,
        created_at -> Instant,
    }

    batch_credits (site_id, id) {
        site_id -> Number,
        id -> Number,
        currency -> Text,
        reason -> Text,
        operator_key -> Text,
        created_at -> Instant,
        version -> BigInt,
    }

    batch_credit_lines (site_id, batch_id, line) {
        site_id -> Number,
        batch_id -> Number,
        line -> BigInt,
        account_id -> Number,
        amount -> Number,
        state -> Word,
        transaction_id -> Nullable<Number>,
        detail -> Nullable<Text>,
    }

    vendors (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
        state -> Word,
        credit_limit -> Nullable<Number>,
        version -> BigInt,
    }

    deposits (site_id, id) {
        site_id -> Number,
        id -> Number,
        vendor_id -> Number,
        amount -> Number,
        reason -> Text,
        operator_key -> Text,
        created_at -> Instant,
    }

    terminals (site_id, id) {
        site_id -> Number,
        id -> Number,
        vendor_id -> Number,
        name -> Text,
        state -> Word,
        version -> BigInt,
    }

    shifts (site_id, id) {
        site_id -> Number,
        id -> Number,
        terminal_id -> Number,
        vendor_id -> Number,
        number -> BigInt,
        opening_float -> Number,
        receipts -> BigInt,
        opened_by -> Text,
        opened_at -> Instant,
        closed_by -> Nullable<Text>,
        closed_at -> Nullable<Instant>,
        totals -> Nullable<Word>,
        net -> Nullable<Number>,
        counted_cash -> Nullable<Number>,
    }

    receipt_counters (site_id, terminal) {
        site_id -> Number,
        terminal -> Text,
        last -> BigInt,
    }

    relay_orders (site_id, id) {
        site_id -> Number,
        id -> Number,
        meter_id -> Number,
        account_id -> Nullable<Number>,
        action -> Word,
        cause -> Word,
        why -> Text,
        permit -> Bool,
        state -> Word,
        attempts -> Number,
        failures -> Number,
        created_at -> Instant,
        sent_at -> Nullable<Instant>,
        acknowledged_at -> Nullable<Instant>,
        read_at -> Nullable<Instant>,
        next_attempt_at -> Nullable<Instant>,
        expires_at -> Nullable<Instant>,
        ended_at -> Nullable<Instant>,
        vend_id -> Nullable<Number>,
        ordered_by -> Nullable<Text>,
        superseded_by -> Nullable<Number>,
        detail -> Nullable<Text>,
    }

    relay_order_lines (site_id, order_id, line) {
        site_id -> Number,
        order_id -> Number,
        line -> BigInt,
        at -> Instant,
        state -> Word,
        detail -> Text,
    }

    relay_order_groups (site_id, id) {
        site_id -> Number,
        id -> Number,
        action -> Word,
        cause -> Word,
        reason -> Text,
        emergency -> Bool,
        state -> Word,
        reservations -> Text,
        operator_key -> Text,
        decided_by -> Nullable<Text>,
        created_at -> Instant,
        expires_at -> Nullable<Instant>,
        ended_at -> Nullable<Instant>,
        version -> BigInt,
        schedule_id -> Nullable<Number>,
    }

    relay_order_group_meters (site_id, group_id, meter_id) {
        site_id -> Number,
        group_id -> Number,
        meter_id -> Number,
        outcome -> Word,
        order_id -> Nullable<Number>,
        code -> Nullable<Text>,
        detail -> Nullable<Text>,
    }

    meter_selections (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
        selection -> Text,
    }

    buildings (site_id, id) {
        site_id -> Number,
        id -> Number,
        name -> Text,
        guarded -> Bool,
        guard_reason -> Nullable<Text>,
    }

    building_meters (site_id, meter_id) {
        site_id -> Number,
        meter_id -> Number,
        building_id -> Number,
    }

    relay_schedules (site_id, id) {
        site_id -> Number,
        id -> Number,
        calendar -> Word,
        reason -> Text,
        state -> Word,
        reservations -> Text,
        operator_key -> Text,
        decided_by -> Nullable<Text>,
        created_at -> Instant,
        expires_at -> Nullable<Instant>,
        next_at -> Nullable<Instant>,
        next_action -> Nullable<Word>,
        reckoned_at -> Nullable<Instant>,
        ended_at -> Nullable<Instant>,
        version -> BigInt,
    }

    relay_schedule_meters (site_id, schedule_id, meter_id) {
        site_id -> Number,
        schedule_id -> Number,
        meter_id -> Number,
        live -> Bool,
    }

    supply_waits (site_id, meter_id) {
        site_id -> Number,
        meter_id -> Number,
        account_id -> Number,
        wanted -> Word,
        since -> Instant,
        guards -> Word,
        quarantined_at -> Nullable<Instant>,
        released_at -> Nullable<Instant>,
        released_by -> Nullable<Text>,
    }

    tariff_limits (site_id, tariff_id) {
        site_id -> Number,
        tariff_id -> Number,
        alarm_1 -> Number,
        alarm_2 -> Number,
        rearm_margin -> Number,
        overdraft -> Number,
        restore_margin -> Number,
        emergency_credit -> Number,
    }

    payments_in_flight (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        amount -> Number,
        tender -> Word,
        begun_at -> Instant,
        holds_until -> Instant,
        operator_key -> Text,
    }

    customer_controls (site_id, account_id) {
        site_id -> Number,
        account_id -> Number,
        allowed_at -> Instant,
        allowed_by -> Text,
        reason -> Text,
    }

    cut_tallies (site_id) {
        site_id -> Number,
        day -> Word,
        day_cuts -> Number,
        hour -> Instant,
        hour_cuts -> Number,
    }

    notices (site_id, id) {
        site_id -> Number,
        id -> Number,
        account_id -> Number,
        kind -> Word,
        channel -> Text,
        language -> Word,
        text_zh -> Text,
        text_en -> Text,
        state -> Word,
        attempts -> Number,
        created_at -> Instant,
        next_attempt_at -> Nullable<Instant>,
        sent_at -> Nullable<Instant>,
        by_hand_since -> Nullable<Instant>,
        by_hand_ended_at -> Nullable<Instant>,
        served_at -> Nullable<Instant>,
        served_how -> Nullable<Text>,
        served_by -> Nullable<Text>,
    }

    price_changes (site_id, tariff_id, version) {
        site_id -> Number,
        tariff_id -> Number,
        version -> BigInt,
        entered_at -> Instant,
        cursor -> Nullable<Number>,
        told -> BigInt,
        ended_at -> Nullable<Instant>,
    }

    alarms (site_id, id) {
        site_id -> Number,
        id -> Number,
        kind -> Text,
        object -> Text,
        detail -> Text,
        raised_at -> Instant,
        last_at -> Instant,
        count -> BigInt,
        cleared_at -> Nullable<Instant>,
    }

    jobs (site_id, id) {
        site_id -> Number,
        id -> Number,
        kind -> Word,
        day -> Word,
        state -> Word,
        attempts -> Number,
        claimed_at -> Instant,
        deadline_at -> Instant,
        cursor -> Nullable<Number>,
        started_at -> Instant,
        ended_at -> Nullable<Instant>,
        accounts -> BigInt,
        entries -> BigInt,
        failures -> BigInt,
    }

    heartbeats (site_id) {
        site_id -> Number,
        at -> Instant,
    }

    outages (site_id, id) {
        site_id -> Number,
        id -> Number,
        down_from -> Instant,
        up_at -> Instant,
        missed -> Text,
        deadline_at -> Instant,
        reported_at -> Nullable<Instant>,
        report -> Nullable<Text>,
    }
}

allow_tables_to_appear_in_same_query!(
    account_tariffs,
    accounts,
    alarms,
    api_keys,
    audit_lines,
    batch_credit_lines,
    batch_credits,
    building_meters,
    buildings,
    concentrator_events,
    concentrators,
    customer_controls,
    customers,
    cut_tallies,
    debt_lines,
    deposits,
    heartbeats,
    id_counters,
    idempotency_keys,
    installations,
    jobs,
    meter_causes,
    meter_selections,
    meters,
    notices,
    outages,
    payments_in_flight,
    postings,
    price_changes,
    read_requests,
    readings,
    receipt_counters,
    refunds,
    relay_order_group_meters,
    relay_order_groups,
    relay_order_lines,
    relay_orders,
    relay_schedule_meters,
    relay_schedules,
    reprints,
    reversals,
    settled_days,
    shifts,
    sites,
    supply_waits,
    tariff_limits,
    tariff_versions,
    tariffs,
    terminals,
    transactions,
    unknown_concentrators,
    vendors,
    vends
);
