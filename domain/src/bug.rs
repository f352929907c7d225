//! Deliberate bugs: each is planted by the simulation's mutation check, to show that its auditor finds it. Without the
//! feature `faults`, as in every release (`scripts/build-release`), there are none and the questions cost nothing.

words! {
    /// A bug that can be planted.
    pub enum Bug {
        /// A charge forgets what the one before left over.
        SkipCarry = "skip_carry",
        /// All energy costs what the first block costs.
        IgnoreBlocks = "ignore_blocks",
        /// A register that begins at 0 again is not unwrapped.
        IgnoreRollover = "ignore_rollover",
        /// A correction posts all of a day's energy again.
        ChargeCorrectionsWhole = "charge_corrections_whole",
        /// A reading whose meter was not proved to be ours counts.
        TrustForeignArchive = "trust_foreign_archive",
        /// A vend's key is forgotten as soon as it is used.
        ForgetKey = "forget_key",
        /// A vend that was reversed is reversed again.
        ReverseTwice = "reverse_twice",
        /// A vend goes on from the hot balance instead of the ledger's.
        TrustHotBalance = "trust_hot_balance",
        /// Hot balances take whatever comes last.
        HotTakesAnything = "hot_takes_anything",
        /// An order that was superseded while it waited is sent all the same.
        IgnoreSupersede = "ignore_supersede",
        /// An order is confirmed by the meter's acknowledgement.
        ConfirmWithoutReadBack = "confirm_without_read_back",
        /// Money lifts every cause, an operator's as well.
        ForgetCause = "forget_cause",
        /// The supply guard holds nothing.
        IgnoreSupplyGuard = "ignore_supply_guard",
        /// A cut needs no warning.
        CutWithoutWarning = "cut_without_warning",
        /// Friendly hours hold nothing.
        IgnoreFriendlyHours = "ignore_friendly_hours",
        /// A reconnect that was not answered is given up.
        GiveUpReconnect = "give_up_reconnect",
        /// A cut that was taken is never looked at again.
        ForgetCut = "forget_cut",
        /// A meter that is replaced is not settled to its last reading.
        ForgetOldMeter = "forget_old_meter",
        /// Settlement counts what registers count, without the multiplier.
        IgnoreMultiplier = "ignore_multiplier",
        /// What an operator wants off is never sent.
        NeverCutForOperator = "never_cut_for_operator",
        /// Automatic orders go on to a meter that refused a password.
        IgnoreRelayBlock = "ignore_relay_block",
        /// An operator may cut a guarded meter.
        CutGuardedByOperator = "cut_guarded_by_operator",
        /// Every vend skips a receipt number.
        SkipReceiptNumber = "skip_receipt_number",
        /// A vend's row says the balance before it as the balance after.
        ForgetBalanceAfter = "forget_balance_after",
        /// Whoever opens or changes inside a month pays for all of it.
        IgnoreShareOfMonth = "ignore_share_of_month",
        /// Who closes gets no fixed charges back.
        KeepFixedCharges = "keep_fixed_charges",
        /// What is left on an account that closes stays on it.
        KeepBalance = "keep_balance",
        /// A week's vends recover as much as they can.
        ForgetWeeklyCap = "forget_weekly_cap",
        /// A debt's share is taken before supply is cared for.
        RecoverDebtFirst = "recover_debt_first",
        /// A reversal forgets that what its vend recovered is owed again.
        ForgetRestoredDebt = "forget_restored_debt",
        /// Emergency credit is there again and again.
        RenewEmergencyCredit = "renew_emergency_credit",
        /// An account that changes its tariff is priced by the old one.
        KeepOldTariff = "keep_old_tariff",
        /// Only the first of an account's meters is settled.
        ForgetSecondMeter = "forget_second_meter",
        /// Credit decides over a suspended account as well.
        DecideSuspended = "decide_suspended",
        /// An operator's hold holds nothing.
        IgnoreHold = "ignore_hold",
        /// A payment in flight holds nothing.
        ForgetPayment = "forget_payment",
        /// Any number of accounts is cut in an hour.
        IgnoreCutLimits = "ignore_cut_limits",
        /// A vendor sells whatever it holds back.
        IgnoreVendorCredit = "ignore_vendor_credit",
        /// A shift's totals leave out what was taken back.
        ForgetShiftReversals = "forget_shift_reversals",
        /// Half of what an account has is lost on the way to the one that takes its place.
        LoseCarriedBalance = "lose_carried_balance",
        /// A building's supply guard holds nothing.
        IgnoreBuildingGuard = "ignore_building_guard",
        /// Limits that are changed stay as they were.
        KeepOldLimits = "keep_old_limits",
        /// The end of a calendar's cut lifts nothing.
        ForgetScheduleEnd = "forget_schedule_end",
        /// A vend lifts what a calendar cut for.
        MoneyLiftsSchedule = "money_lifts_schedule",
        /// What was not sent when the stop button was pressed is cut all the same.
        SpareUnsentCuts = "spare_unsent_cuts",
        /// Groups of orders need nobody's approval.
        SkipApproval = "skip_approval",
        /// Money, or an operator's reconnect, lifts what work on the line locked.
        LiftLock = "lift_lock",
        /// Any customer may switch.
        AnyCustomerSwitches = "any_customer_switches",
        /// What an account brings along that it owes is forgotten.
        ForgetOpeningDebt = "forget_opening_debt",
    }
}

#[cfg(feature = "faults")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug on this thread, in place of one planted before.
#[cfg(feature = "faults")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this bug is planted on this thread.
#[cfg(feature = "faults")]
#[must_use]
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether this bug is planted: never.
#[cfg(not(feature = "faults"))]
#[must_use]
pub const fn is_planted(_: Bug) -> bool {
    false
}
