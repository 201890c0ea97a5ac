//! Work on all cores whose results are taken in order.

use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Results that a worker may be ahead: enough that a worker which had to wait for a core does not stop the others, and
/// few enough that memory stays bounded.
const AHEAD: usize = 16;

/// Does jobs `0..jobs` with `work` on every core and hands each result with its number to `take`, in order. The first
/// error ends it.
pub(super) fn in_order<T: Send, E: Send>(
    jobs: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(jobs);
    thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        for first in 0..workers {
            let (send, receive) = sync_channel(AHEAD);
            queues.push(receive);
            let work = &work;
            scope.spawn(move || {
                for job in (first..jobs).step_by(workers) {
                    if send.send(work(job)).is_err() {
                        return; // the taker gave up
                    }
                }
            });
        }
        for job in 0..jobs {
            // A worker that is gone has panicked, and the scope hands that on.
            let Ok(result) = queues[job % workers].recv() else { break };
            take(job, result?)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_the_first_error_ends_it() {
        let mut taken = Vec::new();
        in_order(1_000, Ok::<usize, ()>, |job, result| {
            assert_eq!(job, result);
            taken.push(result);
            Ok(())
        })
        .unwrap();
        assert_eq!(taken, (0..1_000).collect::<Vec<_>>());
        let work = |job| if job == 70 { Err(job) } else { Ok(job) };
        let mut last = None;
        let ended = in_order(1_000, work, |job, _| {
            last = Some(job);
            Ok(())
        });
        assert_eq!((ended, last), (Err(70), Some(69)));
        assert_eq!(in_order(1_000, Ok::<usize, usize>, |job, _| if job == 5 { Err(job) } else { Ok(()) }), Err(5));
        assert_eq!(in_order(0, Ok::<usize, ()>, |_, _| Err(())), Ok(()));
    }
}
