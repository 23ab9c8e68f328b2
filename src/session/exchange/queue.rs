//! What waits, in order.

use std::collections::VecDeque;
use std::slice;

/// First in, first out. One thing alone, as in a dialogue in lock-step, needs no memory of its own, and what a group
/// of commands needed is given back.
#[derive(Debug, Default)]
pub(super) enum Queue<T> {
    #[default]
    Empty,
    One(T),
    Many(VecDeque<T>),
}

impl<T> Queue<T> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(all) => all.len(),
        }
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (front, back) = match self {
            Self::Empty => (&[][..], &[][..]),
            Self::One(one) => (slice::from_ref(one), &[][..]),
            Self::Many(all) => all.as_slices(),
        };
        front.iter().chain(back)
    }

    /// In order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (one, many) = match self {
            Self::Empty => (None, None),
            Self::One(one) => (Some(one), None),
            Self::Many(all) => (None, Some(all.iter_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn front(&self) -> Option<&T> {
        match self {
            Self::Empty => None,
            Self::One(one) => Some(one),
            Self::Many(all) => all.front(),
        }
    }

    pub(super) fn push(&mut self, last: T) {
        match self {
            Self::Empty => *self = Self::One(last),
            Self::One(_) => {
                let first = self.pop();
                *self = Self::Many(first.into_iter().chain([last]).collect());
            }
            Self::Many(all) => all.push_back(last),
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        match std::mem::take(self) {
            Self::Empty => None,
            Self::One(one) => Some(one),
            Self::Many(mut all) => {
                let first = all.pop_front();
                if !all.is_empty() {
                    *self = Self::Many(all);
                }
                first
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::Empty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_goes_first() {
        let (mut queue, mut model) = (Queue::default(), VecDeque::new());
        for step in 0..200_u32 {
            if step * step % 7 < 4 {
                queue.push(step);
                model.push_back(step);
            } else {
                assert_eq!(queue.pop(), model.pop_front());
            }
            assert!(queue.iter().eq(model.iter()));
            assert_eq!((queue.len(), queue.front()), (model.len(), model.front()));
            assert_eq!(queue.is_empty(), model.is_empty());
        }
        queue.clear();
        assert_eq!(queue.pop(), None);
    }
}
