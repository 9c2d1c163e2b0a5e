//! A part of a large structure, which a copy of the structure may share until either changes it.

use std::ops::Deref;
use std::sync::Arc;

/// Its own, or shared.
#[derive(Clone, Debug)]
pub(crate) enum Cow<T> {
    Own(T),
    Shared(Arc<T>),
}

impl<T> Deref for Cow<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Cow::Own(t) => t,
            Cow::Shared(t) => t,
        }
    }
}

impl<T: Default> Default for Cow<T> {
    fn default() -> Self {
        Cow::Own(T::default())
    }
}

impl<T: Clone + Default> Cow<T> {
    /// It, to be changed: copied if it is shared.
    #[inline]
    pub(crate) fn make_mut(&mut self) -> &mut T {
        if matches!(self, Cow::Shared(_)) {
            self.own();
        }
        match self {
            Cow::Own(t) => t,
            // it is its own now; a copy of it is what would be changed otherwise
            Cow::Shared(t) => Arc::make_mut(t),
        }
    }

    #[cold]
    fn own(&mut self) {
        if let Cow::Shared(t) = std::mem::take(self) {
            *self = Cow::Own(Arc::try_unwrap(t).unwrap_or_else(|t| (*t).clone()));
        }
    }

    /// Another that shares it.
    pub(crate) fn share(&mut self) -> Cow<T> {
        let shared = match std::mem::take(self) {
            Cow::Own(t) => Arc::new(t),
            Cow::Shared(t) => t,
        };
        *self = Cow::Shared(shared.clone());
        Cow::Shared(shared)
    }
}
