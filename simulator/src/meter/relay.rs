//! A meter's relay: what it was commanded, when that is executed, and how it really moved.

use domain::relay::RelayState;
use jiff::{SignedDuration, Timestamp};
use protocols::dlt645::RelayCommand;

use super::agenda::Agenda;

/// Who moved a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mover {
    /// A command from the head end.
    Command,
    /// The customer at the button.
    Button,
}

/// A movement of a relay; a command that leaves it where it is is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The true time.
    pub at: Timestamp,
    /// Where it moved to.
    pub to: RelayState,
    /// Who moved it.
    pub by: Mover,
}

/// A command that reached the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commanded {
    /// The true time at which it came.
    pub at: Timestamp,
    /// What was commanded.
    pub command: RelayCommand,
    /// False when it was refused, for its password or its expiry.
    pub taken: bool,
}

/// A relay with all that ever happened to it.
#[derive(Debug)]
pub(super) struct Relay {
    state: RelayState,
    command: RelayState,
    slowness: SignedDuration,
    stuck: bool,
    pending: Agenda<RelayCommand>,
    moves: Vec<Move>,
    commands: Vec<Commanded>,
}

impl Relay {
    /// Connected, prompt and never commanded.
    pub(super) const fn new() -> Self {
        Self {
            state: RelayState::Connected,
            command: RelayState::Connected,
            slowness: SignedDuration::ZERO,
            stuck: false,
            pending: Agenda::new(),
            moves: Vec::new(),
            commands: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> RelayState {
        self.state
    }

    /// The state last commanded, by commands that were executed.
    pub(super) fn command(&self) -> RelayState {
        self.command
    }

    pub(super) fn moves(&self) -> &[Move] {
        &self.moves
    }

    pub(super) fn commands(&self) -> &[Commanded] {
        &self.commands
    }

    pub(super) fn set_slowness(&mut self, slowness: SignedDuration) {
        self.slowness = slowness;
    }

    pub(super) fn set_stuck(&mut self, stuck: bool) {
        self.stuck = stuck;
    }

    /// A command came, and was taken or refused.
    pub(super) fn commanded(&mut self, at: Timestamp, command: RelayCommand, taken: bool) {
        self.commands.push(Commanded { at, command, taken });
        if taken {
            self.pending.put(at.saturating_add(self.slowness).unwrap_or(Timestamp::MAX), command);
            self.execute(at);
        }
    }

    /// When the next command that was taken is executed.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.pending.due()
    }

    /// Executes the commands that are due at `at`.
    pub(super) fn execute(&mut self, at: Timestamp) {
        while let Some(command) = self.pending.take(at) {
            let (commanded, moved) = match command {
                RelayCommand::Disconnect => (RelayState::Disconnected, true),
                RelayCommand::PermitReconnect => (RelayState::Connected, false),
                RelayCommand::Reconnect => (RelayState::Connected, true),
            };
            self.command = commanded;
            if moved {
                self.turn(at, commanded, Mover::Command);
            }
        }
    }

    /// The customer presses the button: restores supply where a permit waits, and tells whether it did.
    pub(super) fn press(&mut self, at: Timestamp) -> bool {
        self.command == RelayState::Connected && self.turn(at, RelayState::Connected, Mover::Button)
    }

    fn turn(&mut self, at: Timestamp, to: RelayState, by: Mover) -> bool {
        let moves = !self.stuck && self.state != to;
        if moves {
            self.state = to;
            self.moves.push(Move { at, to, by });
        }
        moves
    }
}
