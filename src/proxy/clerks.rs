//! Those who compare passwords, off the threads that serve: it takes tens of milliseconds and megabytes on purpose.

use crate::policy::auth::Accounts;
use crate::session::{Answered, Secret};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use tokio::sync::oneshot;

/// How many questions may wait for each clerk: he answers about twenty a second, and nobody waits for half a minute.
const WAITING: usize = 256;
/// How much they give way to those who serve mail.
const NICE: i32 = 10;

/// What a password is compared with where there is no account at all. The hash is of no password.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZXBvc3Qtbm9ib2R5$q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s";

/// All of them, with the one queue in front of them. They are there from the first question on.
#[derive(Debug, Default)]
pub(super) struct Clerks {
    queue: OnceLock<SyncSender<Case>>,
}

/// Who says so, with what, and who wants to know.
struct Case {
    accounts: Arc<Accounts>,
    user: Box<str>,
    password: Secret,
    answer: oneshot::Sender<Answered>,
}

impl Clerks {
    /// The answer comes; where too many wait it is at once that nobody can say.
    pub(super) fn verify(
        &self,
        accounts: &Arc<Accounts>,
        user: Box<str>,
        password: Secret,
    ) -> oneshot::Receiver<Answered> {
        let (answer, receiver) = oneshot::channel();
        let case = Case { accounts: Arc::clone(accounts), user, password, answer };
        // One that is refused is dropped with what it carried, and so the receiver learns of it.
        let _ = self.queue.get_or_init(hire).try_send(case);
        receiver
    }
}

/// One for each two processors. Where no thread is to be had, nobody can say anything.
fn hire() -> SyncSender<Case> {
    let number = thread::available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
    let (queue, cases) = sync_channel(number.saturating_mul(WAITING));
    let cases = Arc::new(Mutex::new(cases));
    for clerk in 0..number {
        let cases = Arc::clone(&cases);
        if let Err(error) = thread::Builder::new().name(format!("clerk-{clerk}")).spawn(move || work(&cases))
        {
            tracing::error!(%error, "no thread to compare passwords in");
        }
    }
    queue
}

/// Takes one case after another, until nobody can bring one.
fn work(cases: &Mutex<Receiver<Case>>) {
    // Without it they compete with the threads that serve, which is a pity and no more.
    let _ = rustix::process::nice(NICE);
    loop {
        let next = super::lock(cases).recv();
        let Ok(Case { accounts, user, password, answer }) = next else { return };
        // Nobody waits for it any more.
        if answer.is_closed() {
            continue;
        }
        let _ = answer.send(judge(&accounts, &user, &password));
    }
}

/// An account that does not exist takes as long as one that does.
fn judge(accounts: &Accounts, user: &str, password: &Secret) -> Answered {
    let hash = accounts.hash(user);
    let compared = hash.or_else(|| accounts.any_hash()).unwrap_or(NOBODY);
    let fits = fits(compared, password);
    match hash {
        Some(_) => fits.map_or(Answered::Unknown, |fits| if fits { Answered::Yes } else { Answered::No }),
        None => Answered::No,
    }
}

/// None: it is no hash.
fn fits(hash: &str, password: &Secret) -> Option<bool> {
    let parsed = PasswordHash::new(hash).ok()?;
    Some(Argon2::default().verify_password(password.expose(), &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_too_many_wait_nobody_can_say_and_the_answer_is_at_once() {
        let (queue, _cases) = sync_channel(1);
        let clerks = Clerks { queue: OnceLock::from(queue) };
        let ask = || clerks.verify(&Arc::default(), "anna".into(), Secret::new(b"secret"));
        let (mut first, mut second) = (ask(), ask());
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(second.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }

    #[test]
    fn a_password_fits_its_hash_and_no_other() {
        // Of `secret`, with little memory: this is not about time.
        let hash = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$";
        let made = Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            argon2::Params::new(64, 1, 1, None).unwrap(),
        );
        let mut out = [0_u8; 32];
        made.hash_password_into(b"secret", b"saltsalt", &mut out).unwrap();
        let hash = format!("{hash}{}", argon2::password_hash::phc::Output::new(&out).unwrap());
        assert_eq!(fits(&hash, &Secret::new(b"secret")), Some(true));
        assert_eq!(fits(&hash, &Secret::new(b"Secret")), Some(false));
        assert_eq!(fits("nonsense", &Secret::new(b"secret")), None);
        assert_eq!(judge(&Accounts::default(), "nobody", &Secret::new(b"secret")), Answered::No);
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
