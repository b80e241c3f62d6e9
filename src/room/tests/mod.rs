//! A room on a clock of its own: what it is told, and what it wants done, written as [`scene::Scene`] says.

mod absences;
mod inputs;
mod joins;
mod members;
mod numbered;
mod properties;
mod scene;
mod snapshots;
mod ticks;
