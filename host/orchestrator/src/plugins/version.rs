//! One version of a plugin in use: who waits for it to drain is told when nobody uses it any more.

use std::sync::Arc;

use model::Manifest;
use model::plugin::PluginRef;
use tokio::sync::{Notify, watch};

/// A version that runs may be pinned to.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) plugin: PluginRef,
    pub(crate) manifest: Arc<Manifest>,
    /// Whether its time is up. Each hold has a receiver.
    retired: watch::Sender<bool>,
    /// Told of that too, without holding it.
    told: Notify,
}

/// A use of a version. Whoever has one may have it invoked, until its time is up.
#[derive(Clone, Debug)]
pub(crate) struct Hold(watch::Receiver<bool>);

impl Version {
    pub(crate) fn new(plugin: PluginRef, manifest: Arc<Manifest>) -> Self {
        Self { plugin, manifest, retired: watch::Sender::new(false), told: Notify::new() }
    }

    pub(crate) fn hold(&self) -> Hold {
        Hold(self.retired.subscribe())
    }

    /// Ends when nobody holds it, or when it is retired before: then the answer is false.
    pub(crate) async fn unused(&self) -> bool {
        tokio::select! {
            biased;
            () = self.retired.closed() => true,
            () = self.told.notified() => false,
        }
    }

    /// Has everybody who holds it let go.
    pub(crate) fn retire(&self) {
        self.retired.send_replace(true);
        self.told.notify_one();
    }
}

impl Hold {
    pub(crate) fn is_over(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the version is retired.
    pub(crate) async fn time_is_up(&mut self) {
        // An error means that the version is gone without having been retired.
        if self.0.wait_for(|retired| *retired).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANIFEST, digest};

    fn version() -> Version {
        let plugin = PluginRef { name: "d".to_owned(), version: "1".to_owned(), digest: digest(b"1") };
        Version::new(plugin, Arc::new(Manifest::parse(MANIFEST).unwrap()))
    }

    #[tokio::test]
    async fn a_version_is_unused_once_the_last_hold_is_gone() {
        let version = version();
        assert!(version.unused().await);
        let (one, two) = (version.hold(), version.hold());
        drop(one);
        assert!(is_pending(version.unused()).await, "one is left");
        drop(two);
        assert!(version.unused().await);
    }

    #[tokio::test]
    async fn who_holds_a_version_hears_that_its_time_is_up() {
        let version = version();
        let mut hold = version.hold();
        assert!(is_pending(hold.clone().time_is_up()).await);
        version.retire();
        hold.time_is_up().await;
        assert!(!version.unused().await, "it is held still");
    }

    /// Whether a future is not done at its first look.
    async fn is_pending<T>(future: impl Future<Output = T>) -> bool {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
