//! Work that a service does by itself: started under a name, and stopped in one order.

use std::collections::BTreeMap;

use futures_util::future::select_all;
use tokio::{sync::watch, task::JoinHandle};

use super::error::AppError;

/// Work that goes on until the service ends, in the order in which it is stopped: each is waited for before the next is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// Opens a sealed store anew, and writes the ends of keys that could not be written.
    Denied,
    /// Writes last uses and the clock's mark.
    Notes,
    /// Writes all that was counted, when the service ends.
    Counts,
    /// Writes usage.
    Usage,
    /// Writes sums of denials.
    Denials,
}

impl Task {
    const fn name(self) -> &'static str {
        match self {
            Self::Denied => "what writes the ends that could not be written",
            Self::Notes => "the writer of last uses and the clock's mark",
            Self::Counts => "the writer of counts",
            Self::Usage => "the writer of usage",
            Self::Denials => "the writer of denials",
        }
    }
}

/// What is at work.
#[derive(Default)]
pub(super) struct Tasks(BTreeMap<Task, AtWork>);

struct AtWork {
    stop: watch::Sender<bool>,
    work: JoinHandle<Result<(), AppError>>,
}

impl Tasks {
    /// Starts work on the runtime that this is called on. It hears by `stop` that it is to end.
    pub(super) fn start<F>(&mut self, task: Task, work: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = Result<(), AppError>> + Send + 'static,
    {
        let (stop, told_to_stop) = watch::channel(false);
        self.0.insert(task, AtWork { stop, work: tokio::spawn(work(told_to_stop)) });
    }

    /// Waits until one ends that was not told to, and says which; while all is well, for ever.
    pub(super) async fn died(&self) -> String {
        let ends = self.0.iter().map(|(task, at_work)| {
            Box::pin(async {
                at_work.stop.closed().await;
                task.name()
            })
        });
        let (name, ..) = select_all(ends).await;
        format!("{name} died")
    }

    /// Tells each in its turn to stop, and waits for it; all of them, also where one has failed.
    ///
    /// # Errors
    /// The first that died or failed.
    pub(super) async fn stop(self) -> Result<(), AppError> {
        let mut ended = Ok(());
        for (task, AtWork { stop, work }) in self.0 {
            stop.send_replace(true);
            let died = |error| Err(AppError::Died(format!("{} died: {error}", task.name())));
            let this = work.await.unwrap_or_else(died);
            ended = ended.and(this);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Work that notes when it was told to stop.
    async fn until_told(
        task: Task,
        mut stop: watch::Receiver<bool>,
        ended: Arc<Mutex<Vec<Task>>>,
    ) -> Result<(), AppError> {
        stop.wait_for(|stop| *stop).await.unwrap();
        tokio::task::yield_now().await;
        ended.lock().unwrap().push(task);
        Ok(())
    }

    #[tokio::test]
    async fn each_is_stopped_in_its_turn_whenever_it_was_started() {
        let (mut tasks, ended) = (Tasks::default(), Arc::default());
        for task in [Task::Usage, Task::Notes, Task::Counts, Task::Denied] {
            tasks.start(task, |stop| until_told(task, stop, Arc::clone(&ended)));
        }
        tasks.stop().await.unwrap();
        assert_eq!(*ended.lock().unwrap(), [Task::Denied, Task::Notes, Task::Counts, Task::Usage]);
    }

    #[tokio::test]
    async fn one_that_dies_is_named_and_the_others_are_stopped_all_the_same() {
        let (mut tasks, ended) = (Tasks::default(), Arc::default());
        for task in [Task::Denied, Task::Usage] {
            tasks.start(task, |stop| until_told(task, stop, Arc::clone(&ended)));
        }
        tasks.start(Task::Notes, |stop| async move {
            drop(stop);
            Err(AppError::Aborted)
        });
        assert_eq!(tasks.died().await, "the writer of last uses and the clock's mark died");
        assert!(matches!(tasks.stop().await, Err(AppError::Aborted)));
        assert_eq!(*ended.lock().unwrap(), [Task::Denied, Task::Usage]);
    }
}
