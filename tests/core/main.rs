//! The core: everything that needs no socket.
mod policies;
