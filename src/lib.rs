//! Gatepost: an application-layer SMTP inspection proxy.
pub mod event;
pub mod message;
pub mod policy;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod session;
pub mod smtp;
#[cfg(feature = "proxy")]
pub mod telemetry;
