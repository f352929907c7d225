//! Emergency credit (应急额度): a limit that a customer in need may use once per credit episode, never a posting.

use crate::{
    bug::{Bug, is_planted},
    money::Money,
};

use super::{Credit, Limits};

words! {
    /// Where the emergency credit of an episode stands; none of these: it was not asked for.
    pub enum Emergency {
        /// It counts as headroom; available has not been below 0 since.
        Granted = "granted",
        /// It counts as headroom, and available is below 0.
        Drawn = "drawn",
        /// Available came back to 0: it is over, and there is no other in this episode.
        Used = "used",
    }
}

/// Why emergency credit is not activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotActivated {
    /// The account has none.
    #[error("the account is offered no emergency credit")]
    NotOffered,
    /// Credit is not low.
    #[error("credit is not low enough for emergency credit")]
    NoEpisode,
    /// It was activated in this episode before.
    #[error("emergency credit was used since credit is low; it is there again once credit is no longer low")]
    Used,
    /// It would not bring supply back.
    #[error("with emergency credit the headroom would be {headroom} minor units, which restores no supply")]
    TooLittle {
        /// What it would be.
        headroom: Money,
    },
}

impl NotActivated {
    /// A stable word for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "emergency_credit_not_offered",
            Self::NoEpisode => "no_credit_episode",
            Self::Used => "emergency_credit_used",
            Self::TooLittle { .. } => "emergency_credit_too_little",
        }
    }
}

impl Limits {
    /// These limits as they are while `credit` says so: active emergency credit counts like overdraft.
    #[must_use]
    pub fn with_emergency(self, credit: &Credit) -> Self {
        Self { overdraft: self.overdraft + self.active_emergency(credit), ..self }
    }

    /// The emergency credit that counts as headroom now.
    #[must_use]
    pub fn active_emergency(&self, credit: &Credit) -> Money {
        match credit.episode.and_then(|episode| episode.emergency) {
            Some(Emergency::Granted | Emergency::Drawn) => self.emergency_credit,
            Some(Emergency::Used) | None => Money::ZERO,
        }
    }
}

/// Activates emergency credit: gives what to remember.
///
/// # Errors
/// See [`NotActivated`].
pub fn activate(credit: &Credit, available: Money, limits: &Limits) -> Result<Credit, NotActivated> {
    if limits.emergency_credit <= Money::ZERO {
        return Err(NotActivated::NotOffered);
    }
    let mut next = *credit;
    let episode = next.episode.as_mut().ok_or(NotActivated::NoEpisode)?;
    if episode.emergency.is_some() && !is_planted(Bug::RenewEmergencyCredit) {
        return Err(NotActivated::Used);
    }
    episode.emergency = Some(Emergency::Granted);
    episode.emergency = after(episode.emergency, available);
    let active = limits.with_emergency(&next);
    if !active.restore_due(available) {
        return Err(NotActivated::TooLittle { headroom: active.headroom(available) });
    }
    Ok(next)
}

/// What is left of an emergency credit where so much is available: it is over when that comes back to 0 from below.
pub(super) fn after(emergency: Option<Emergency>, available: Money) -> Option<Emergency> {
    match emergency {
        Some(Emergency::Granted) if available < Money::ZERO => Some(Emergency::Drawn),
        Some(Emergency::Drawn) if available >= Money::ZERO => Some(Emergency::Used),
        same => same,
    }
}
