//! What one script call may use: time and memory.
//!
//! Lua's allocator and its instruction hook are the two places that see everything a script does. The hook runs every
//! so many instructions and looks at the clock; the allocator counts bytes, and calls the hook early when much was
//! allocated at once. A spent budget is sticky: whatever a script catches, the next hook, native function or
//! `pcall` raises it again until the call is over.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::time::{Duration, Instant};

use mlua::ffi;

use super::host::Host;
use super::stack::Stack;

/// Instructions between two looks at the clock, while the heap is small.
const HOOK_INTERVAL: usize = 1000;
/// With a big heap a single instruction can take long (comparing two long strings), so the interval shrinks to
/// this many bytes divided by the heap's growth.
const HOOK_INTERVAL_BYTES: usize = 64 << 20;
/// After so many allocated bytes, or units of native work, the clock is read at the next instruction.
const FUEL: i64 = 256 << 10;

/// Which budget a call has spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// It ran too long.
    Time,
    /// It holds too much memory.
    Memory,
}

/// One call's budget and its account. All sizes in bytes.
pub(super) struct Budget {
    /// What Lua has allocated.
    used: Cell<usize>,
    /// What is allocated when no call is running, without garbage.
    resting: Cell<usize>,
    /// From here on, garbage is collected before the call goes on.
    collect_at: Cell<usize>,
    /// From here on, allocations fail unless lenient. Garbage counts, so this is above `memory_limit`.
    fail_at: Cell<usize>,
    /// The live heap may grow by so much.
    memory_limit: Cell<usize>,
    time_limit: Cell<Duration>,
    /// When the call has spent its time, if it has had the processor to itself.
    deadline: Cell<Instant>,
    /// The thread's processor time when the call began; none before its first look at the clock.
    cpu_at_start: Cell<Option<Duration>>,
    /// Native work and allocation until the next look at the clock.
    fuel: Cell<i64>,
    /// Native code is running, which cannot take a failing allocation.
    lenient: Cell<bool>,
    /// A lenient allocation went over `collect_at`.
    strained: Cell<bool>,
    /// The hook is set to run at the next instruction.
    hook_is_near: Cell<bool>,
    exceeded: Cell<Option<Exceeded>>,
    /// The coroutine that runs, to set its hook.
    current: Cell<*mut ffi::lua_State>,
}

impl Budget {
    /// A budget for calls of so much time and memory. Nothing is limited until [`Budget::begin`].
    pub(crate) fn new(time_limit: Duration, memory_limit: usize) -> Self {
        Self {
            used: Cell::new(0),
            resting: Cell::new(0),
            collect_at: Cell::new(usize::MAX),
            fail_at: Cell::new(usize::MAX),
            memory_limit: Cell::new(memory_limit),
            time_limit: Cell::new(time_limit),
            deadline: Cell::new(Instant::now()),
            cpu_at_start: Cell::new(None),
            fuel: Cell::new(FUEL),
            lenient: Cell::new(true),
            strained: Cell::new(false),
            hook_is_near: Cell::new(false),
            exceeded: Cell::new(None),
            current: Cell::new(std::ptr::null_mut()),
        }
    }

    /// Starts a call at `now` on the main coroutine, over a heap that holds `resting` bytes between calls.
    pub(super) fn begin(&self, stack: Stack<'_>, now: Instant, resting: usize) {
        let limit = self.memory_limit.get();
        let collect_at = resting.saturating_add(limit);
        self.resting.set(resting);
        self.collect_at.set(collect_at);
        self.fail_at.set(collect_at.max(self.used.get()).saturating_add(limit));
        self.deadline.set(now + self.time_limit.get());
        self.cpu_at_start.set(None);
        self.fuel.set(FUEL);
        self.strained.set(false);
        self.exceeded.set(None);
        self.current.set(stack.state());
        self.set_hook(HOOK_INTERVAL);
    }

    /// Ends the call: nothing is limited any more. Tells what it exceeded.
    pub(super) fn end(&self) -> Option<Exceeded> {
        self.collect_at.set(usize::MAX);
        self.fail_at.set(usize::MAX);
        self.strained.set(false);
        self.deadline.set(Instant::now() + Duration::from_secs(3600));
        self.exceeded.take()
    }

    /// Bytes that Lua has allocated, garbage included.
    pub(super) fn used(&self) -> usize {
        self.used.get()
    }

    /// Bytes that the heap holds beyond what it holds between calls.
    pub(super) fn grown(&self) -> usize {
        self.used.get().saturating_sub(self.resting.get())
    }

    /// Whether the call has spent a budget.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }

    /// The message of a spent budget.
    pub(super) fn describe(&self, exceeded: Exceeded) -> impl fmt::Display {
        match exceeded {
            Exceeded::Time => format!("script ran longer than {} ms", self.time_limit.get().as_millis()),
            Exceeded::Memory => {
                format!("script used more than {} KiB of memory", self.memory_limit.get() >> 10)
            }
        }
    }

    /// Whether allocations may pass the limit from now on; gives back what held before.
    pub(super) fn set_lenient(&self, lenient: bool) -> bool {
        self.lenient.replace(lenient)
    }

    /// Whether native code has allocated past the limit, and [`Budget::check`] must settle that.
    pub(super) fn is_strained(&self) -> bool {
        self.strained.get()
    }

    /// Names the coroutine that runs.
    pub(super) fn set_current(&self, state: *mut ffi::lua_State) {
        self.current.set(state);
    }

    /// Charges native work; false when it is time for [`Budget::check`].
    #[inline]
    pub(crate) fn spend(&self, units: usize) -> bool {
        let fuel = self.fuel.get().saturating_sub(i64::try_from(units).unwrap_or(i64::MAX / 2));
        self.fuel.set(fuel);
        fuel > 0 && !self.strained.get()
    }

    /// Looks at the clock and at the heap, which is collected first if it has grown too much.
    pub(crate) fn check(&self, state: *mut ffi::lua_State) -> Option<Exceeded> {
        self.fuel.set(FUEL);
        if self.exceeded.get().is_none() {
            self.check_time();
        }
        self.strained.set(false);
        if self.exceeded.get().is_none() && self.used.get() > self.collect_at.get() {
            self.collect(state);
        }
        self.exceeded.get()
    }

    /// Only the processor time that a script takes is its own: on a busy machine others run meanwhile. The clock, which
    /// is cheaper to read, says when it can be spent at the earliest.
    fn check_time(&self) {
        let now = Instant::now();
        let cpu_at_start = self.cpu_at_start.get().unwrap_or_else(|| {
            // The first look comes soon, unless the call began with something heavy: all time until then is its own.
            let since_start = (now + self.time_limit.get()).saturating_duration_since(self.deadline.get());
            thread_cpu_time().saturating_sub(since_start)
        });
        self.cpu_at_start.set(Some(cpu_at_start));
        if now < self.deadline.get() {
            return;
        }
        let spent = thread_cpu_time().saturating_sub(cpu_at_start);
        match self.time_limit.get().checked_sub(spent) {
            Some(left) if !left.is_zero() => self.deadline.set(now + left),
            _ => self.exceeded.set(Some(Exceeded::Time)),
        }
    }

    /// The call has begun what would take more time than it has.
    pub(crate) fn exceed_time(&self) {
        self.exceeded.set(self.exceeded.get().or(Some(Exceeded::Time)));
    }

    /// Whether a native buffer of that size fits beside what Lua holds.
    pub(crate) fn check_room(&self, bytes: usize) -> Option<Exceeded> {
        let grown = self.grown().saturating_add(bytes);
        if bytes > self.memory_limit.get() || grown > self.memory_limit.get().saturating_mul(2) {
            self.exceeded.set(Some(Exceeded::Memory));
        }
        self.exceeded.get()
    }

    fn collect(&self, state: *mut ffi::lua_State) {
        // SAFETY: called from a hook or a native function, where Lua allows it; it frees, and what little it allocates
        // may pass the limit.
        unsafe {
            let was_lenient = self.set_lenient(true);
            ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0);
            self.set_lenient(was_lenient);
        }
        self.strained.set(false);
        let limit = self.memory_limit.get();
        let live = self.grown();
        if live > limit {
            self.exceeded.set(Some(Exceeded::Memory));
        }
        // At least a quarter of the budget between two collections, so that they cannot take up all the time.
        self.collect_at.set(self.resting.get() + limit.max(live + limit / 4));
        self.fail_at.set(self.collect_at.get() + limit);
    }

    fn set_hook(&self, interval: usize) {
        self.hook_is_near.set(interval == 1);
        let interval = c_int::try_from(interval).unwrap_or(c_int::MAX);
        // SAFETY: the current coroutine is live, and Lua allows setting a hook at any time.
        unsafe {
            ffi::lua_sethook(self.current.get(), Some(hook), ffi::LUA_MASKCOUNT, interval);
        }
    }

    fn interval(&self) -> usize {
        (HOOK_INTERVAL_BYTES / self.grown().max(1)).clamp(2, HOOK_INTERVAL)
    }

    /// Accounts for a block that changes size; false when the call may not have it.
    #[inline]
    fn account(&self, old: usize, new: usize) -> bool {
        let used = self.used.get() - old + new;
        if new > old {
            if used > self.collect_at.get() && !self.allow(used) {
                return false;
            }
            let fuel = self.fuel.get() - (new - old) as i64;
            self.fuel.set(fuel);
            if fuel < 0 && !self.hook_is_near.get() && !self.current.get().is_null() {
                self.set_hook(1);
            }
        }
        self.used.set(used);
        true
    }

    #[cold]
    fn allow(&self, used: usize) -> bool {
        self.strained.set(true);
        if used > self.fail_at.get() && !self.lenient.get() {
            self.exceeded.set(Some(Exceeded::Memory));
            return false;
        }
        if !self.hook_is_near.get() {
            self.set_hook(1);
        }
        true
    }
}

/// Processor time of this thread since it began (clock_gettime(2)).
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this frame, which the call fills in.
    let outcome = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(outcome, 0, "Linux has this clock since 2.6.12");
    // Neither part is negative: it counts from 0.
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Lua's allocator.
///
/// # Safety
/// As Lua calls it: `data` is the [`Host`], `block` is null or came from here with `old` bytes.
pub(super) unsafe extern "C" fn allocate(
    data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `data` is the host given to `lua_newstate`, which outlives the state.
    let budget = unsafe { &(*data.cast::<Host>()).budget };
    if !budget.account(old, new) {
        return std::ptr::null_mut();
    }
    // SAFETY: Lua passes blocks that it got here, with their sizes.
    let allocated = unsafe { (*data.cast::<Host>()).pool.reallocate(block.cast(), old, new) };
    if allocated.is_null() && new > 0 {
        budget.account(new, old);
    }
    allocated.cast()
}

unsafe extern "C-unwind" fn hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls with the state that is running.
    let stack = unsafe { Stack::from_raw(state) };
    let budget = &stack.host().budget;
    budget.set_current(state);
    let was_lenient = budget.set_lenient(true);
    let exceeded = budget.check(state);
    budget.set_hook(budget.interval());
    if let Some(exceeded) = exceeded {
        let place = stack.place(0).map_or(String::new(), |place| format!("{place}: "));
        let message = format!("{place}{}", budget.describe(exceeded));
        stack.push_bytes(message.as_bytes());
        drop((place, message));
        budget.set_lenient(was_lenient);
        // SAFETY: an error value is on top, and this frame owns nothing any more.
        unsafe { ffi::lua_error(state) };
    }
    budget.set_lenient(was_lenient);
}
