//! What SQLite calls: a `sqlite3_vfs` and its files, as C has them. What happens to octets is [`crate::disk`]'s.
//!
//! Invariants: a file that `x_open` answered for holds a [`Handle`] in a box until `x_close`; SQLite uses a file from one thread
//! at a time, and none after `x_close`. A handle of an earlier life of its disk does nothing but fail.
#![allow(unsafe_code, reason = "SQLite calls through C pointers")]

use crate::disk::{Locks, State};
use crate::faults::{Call, Trouble};
use crate::model::{Image, Inode, Op};
use crate::shared::{Index, LOCKS};
use libsqlite3_sys as ffi;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Once};

/// The name that SQLite knows it by.
pub(crate) const NAME: &str = "faulty";
/// The same for C.
const C_NAME: &CStr = c"faulty";
/// Octets of the longest path.
const PATH_BYTES_MAX: c_int = 1024;
/// What SQLite's layer for Unix says of a sector; nothing depends on it where writes are safe for their neighbours.
const SECTOR: c_int = 4096;

/// One open file.
struct Handle {
    state: Arc<State>,
    life: u64,
    inode: Inode,
    path: PathBuf,
    /// A file of nobody else's, gone when it is closed.
    passing: Option<Vec<u8>>,
    /// It may have been made just now: the first sync is one of its folder too, as SQLite's layer for Unix does it.
    may_be_new: bool,
    goes_on_close: bool,
    level: c_int,
    mapped: Option<Mapped>,
}

/// The index of the log, and which of its locks this connection has.
struct Mapped {
    index: Arc<Index>,
    shared: [bool; LOCKS],
    alone: [bool; LOCKS],
}

/// As SQLite lays a file out: its methods first.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_unlock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: Some(x_shm_map),
    xShmLock: Some(x_shm_lock),
    xShmBarrier: Some(x_shm_barrier),
    xShmUnmap: Some(x_shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes the layer known to SQLite, once in a process.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<File>() as c_int,
            mxPathname: PATH_BYTES_MAX,
            pNext: std::ptr::null_mut(),
            zName: C_NAME.as_ptr(),
            pAppData: std::ptr::null_mut(),
            xOpen: Some(x_open),
            xDelete: Some(x_delete),
            xAccess: Some(x_access),
            xFullPathname: Some(x_full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(x_randomness),
            xSleep: Some(x_sleep),
            xCurrentTime: Some(x_current_time),
            xGetLastError: Some(x_get_last_error),
            xCurrentTimeInt64: Some(x_current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        };
        // SAFETY: the structure lives for ever; registering initialises SQLite where that has not happened.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
    });
}

/// A path as SQLite hands it in; `None` for the null pointer.
///
/// # Safety
/// `name` is null or a C string that lives as long as the call.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's promise.
    let octets = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(PathBuf::from(OsStr::from_bytes(octets)))
}

/// The handle of an open file.
///
/// # Safety
/// `file` was answered by `x_open` and not closed since, and nobody else uses it during the call.
unsafe fn handle<'h>(file: *mut ffi::sqlite3_file) -> &'h mut Handle {
    // SAFETY: the caller's promise: it is one of ours, and its handle's box lives.
    unsafe { &mut *(*file.cast::<File>()).handle }
}

impl Handle {
    /// Whether its disk has lost power, or its process its life, since it was opened.
    fn is_dead(&self) -> bool {
        self.state.lock().life != self.life
    }
}

unsafe extern "C" fn x_open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands in `szOsFile` octets of its own. Without methods it closes nothing when this fails.
    unsafe { (*file).pMethods = std::ptr::null() };
    // SAFETY: null or a C string.
    let path = unsafe { path_of(name) };
    let handle = match open(path, flags) {
        Ok(handle) => Box::into_raw(Box::new(handle)),
        Err(code) => return code,
    };
    // SAFETY: the same octets, which are laid out as `File`; `out_flags` is null or an integer of SQLite's.
    unsafe {
        (*file.cast::<File>()).handle = handle;
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

fn open(path: Option<PathBuf>, flags: c_int) -> Result<Handle, c_int> {
    let fresh = |state, life, inode, path, may_be_new| Handle {
        state,
        life,
        inode,
        path,
        passing: None,
        may_be_new,
        goes_on_close: flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0,
        level: ffi::SQLITE_LOCK_NONE,
        mapped: None,
    };
    let Some(path) = path else {
        let nowhere = Arc::new(State::nowhere());
        return Ok(Handle { passing: Some(Vec::new()), ..fresh(nowhere, 0, 0, PathBuf::new(), false) });
    };
    let state = State::of(&path).ok_or(ffi::SQLITE_CANTOPEN)?;
    let mut inner = state.lock();
    let inode = match inner.image.find(&path) {
        Some(inode) => {
            inner.call(Call::Open).map_err(|_| ffi::SQLITE_CANTOPEN)?;
            inode
        }
        None if flags & ffi::SQLITE_OPEN_CREATE != 0 => inner.create(&path).map_err(|_| ffi::SQLITE_CANTOPEN)?,
        None => return Err(ffi::SQLITE_CANTOPEN),
    };
    let life = inner.life;
    drop(inner);
    // As the layer for Unix has it: logs and journals that may be made, whether they were there or not, and no other file.
    let journal = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
    let may_be_new = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & journal != 0;
    Ok(fresh(state, life, inode, path, may_be_new))
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once; its handle's box is taken back.
    let mut handle = unsafe { Box::from_raw((*file.cast::<File>()).handle) };
    unmap(&mut handle);
    unlock(&mut handle, ffi::SQLITE_LOCK_NONE);
    if handle.goes_on_close && !handle.is_dead() {
        let _ = handle.state.lock().unlink(&handle.path);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: an open file of ours; `to` has room for `count` octets.
    let (handle, to) = unsafe { (handle(file), std::slice::from_raw_parts_mut(to.cast::<u8>(), count as usize)) };
    if let Some(octets) = &handle.passing {
        return copy(octets, at as usize, to);
    }
    let mut inner = handle.state.lock();
    if inner.life != handle.life || inner.call(Call::Read).is_err() {
        return ffi::SQLITE_IOERR_READ;
    }
    copy(inner.image.content(handle.inode), at as usize, to)
}

/// What there is, and zeros for the rest.
fn copy(from: &[u8], at: usize, to: &mut [u8]) -> c_int {
    let there = from.get(at..).unwrap_or_default();
    let count = there.len().min(to.len());
    let (filled, rest) = to.split_at_mut(count);
    filled.copy_from_slice(there.get(..count).unwrap_or_default());
    rest.fill(0);
    if rest.is_empty() { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_SHORT_READ }
}

unsafe extern "C" fn x_write(file: *mut ffi::sqlite3_file, from: *const c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: an open file of ours; `from` has `count` octets.
    let (handle, from) = unsafe { (handle(file), std::slice::from_raw_parts(from.cast::<u8>(), count as usize)) };
    if let Some(octets) = &mut handle.passing {
        let mut image = Image::default();
        image.apply(&Op::Write(0, 0, octets.as_slice().into()));
        image.apply(&Op::Write(0, at as u64, from.into()));
        *octets = image.content(0).to_vec();
        return ffi::SQLITE_OK;
    }
    let mut inner = handle.state.lock();
    if inner.life != handle.life {
        return ffi::SQLITE_IOERR_WRITE;
    }
    code(inner.write(handle.inode, at as u64, from), ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_FULL)
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    if let Some(octets) = &mut handle.passing {
        octets.resize(length as usize, 0);
        return ffi::SQLITE_OK;
    }
    let mut inner = handle.state.lock();
    if inner.life != handle.life {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    code(inner.truncate(handle.inode, length as u64), ffi::SQLITE_IOERR_TRUNCATE, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    if handle.passing.is_some() {
        return ffi::SQLITE_OK;
    }
    let mut inner = handle.state.lock();
    if inner.life != handle.life || inner.sync(handle.inode).is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if std::mem::take(&mut handle.may_be_new)
        && let Some(folder) = handle.path.parent()
        && inner.sync_folder(folder).is_err()
    {
        // As the layer for Unix has it: tried once, and its failure is not told.
        return ffi::SQLITE_OK;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, to: *mut i64) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    let length = match &handle.passing {
        Some(octets) => octets.len(),
        None if handle.is_dead() => return ffi::SQLITE_IOERR_FSTAT,
        None => handle.state.lock().image.content(handle.inode).len(),
    };
    // SAFETY: an integer of SQLite's.
    unsafe { *to = length as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    if handle.passing.is_some() {
        return ffi::SQLITE_OK;
    }
    let state = handle.state.clone();
    let mut inner = state.lock();
    if inner.life != handle.life {
        return ffi::SQLITE_IOERR_LOCK;
    }
    if handle.level >= level {
        return ffi::SQLITE_OK;
    }
    let locks = inner.locks.entry(handle.inode).or_default();
    let reached = raise(locks, handle.level, level);
    handle.level = reached;
    if reached >= level { ffi::SQLITE_OK } else { ffi::SQLITE_BUSY }
}

/// How far a lock can be raised: from none to shared, reserved, and by way of pending to exclusive.
fn raise(locks: &mut Locks, mut level: c_int, wanted: c_int) -> c_int {
    if level < ffi::SQLITE_LOCK_SHARED {
        if locks.pending || locks.exclusive {
            return level;
        }
        locks.shared += 1;
        level = ffi::SQLITE_LOCK_SHARED;
    }
    if wanted >= ffi::SQLITE_LOCK_RESERVED && level < ffi::SQLITE_LOCK_RESERVED {
        if locks.reserved {
            return level;
        }
        locks.reserved = true;
        level = ffi::SQLITE_LOCK_RESERVED;
    }
    if wanted >= ffi::SQLITE_LOCK_EXCLUSIVE && level < ffi::SQLITE_LOCK_EXCLUSIVE {
        locks.pending = true;
        level = ffi::SQLITE_LOCK_PENDING;
        if locks.shared > 1 {
            return level;
        }
        locks.exclusive = true;
        level = ffi::SQLITE_LOCK_EXCLUSIVE;
    }
    level
}

unsafe extern "C" fn x_unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file of ours.
    unlock(unsafe { handle(file) }, level);
    ffi::SQLITE_OK
}

fn unlock(handle: &mut Handle, level: c_int) {
    let mut inner = handle.state.lock();
    if handle.passing.is_some() || inner.life != handle.life || handle.level <= level {
        return;
    }
    let locks = inner.locks.entry(handle.inode).or_default();
    if handle.level >= ffi::SQLITE_LOCK_PENDING {
        (locks.pending, locks.exclusive) = (false, false);
    }
    if handle.level >= ffi::SQLITE_LOCK_RESERVED {
        locks.reserved = false;
    }
    if level == ffi::SQLITE_LOCK_NONE {
        locks.shared = locks.shared.saturating_sub(1);
    }
    handle.level = level;
}

unsafe extern "C" fn x_check_reserved_lock(file: *mut ffi::sqlite3_file, to: *mut c_int) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    let reserved = handle.state.lock().locks.get(&handle.inode).is_some_and(|locks| locks.reserved);
    // SAFETY: an integer of SQLite's.
    unsafe { *to = c_int::from(reserved) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    SECTOR
}

unsafe extern "C" fn x_device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    octets: c_int,
    extend: c_int,
    to: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    let mapped = map(handle, region as usize, octets as usize, extend != 0);
    let (code, start) = match mapped {
        Ok(start) => (ffi::SQLITE_OK, start),
        Err(code) => (code, std::ptr::null_mut()),
    };
    // SAFETY: a pointer of SQLite's.
    unsafe { *to = start };
    code
}

/// The region's first octet; null where it is not there and not to be made.
fn map(handle: &mut Handle, region: usize, octets: usize, extend: bool) -> Result<*mut c_void, c_int> {
    let mut inner = handle.state.lock();
    if inner.life != handle.life {
        return Err(ffi::SQLITE_IOERR_SHMMAP);
    }
    let index = match &handle.mapped {
        Some(mapped) => mapped.index.clone(),
        None => {
            let index = inner.indexes.entry(handle.inode).or_default().clone();
            index.lock().users += 1;
            handle.mapped = Some(Mapped { index: index.clone(), shared: [false; LOCKS], alone: [false; LOCKS] });
            index
        }
    };
    let mut regions = index.lock();
    if !regions.has(region) {
        if !extend {
            return Ok(std::ptr::null_mut());
        }
        inner.grow_index().map_err(|_| ffi::SQLITE_IOERR_SHMSIZE)?;
    }
    regions.region(region, octets).map(|start| start.as_ptr().cast()).ok_or(ffi::SQLITE_NOMEM)
}

unsafe extern "C" fn x_shm_lock(file: *mut ffi::sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: an open file of ours.
    let handle = unsafe { handle(file) };
    if handle.is_dead() {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    let Some(mapped) = &mut handle.mapped else { return ffi::SQLITE_IOERR_SHMLOCK };
    let which = first as usize..(first + count) as usize;
    let mut index = mapped.index.lock();
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        for each in which {
            release(mapped.shared.get_mut(each), mapped.alone.get_mut(each), index.held.get_mut(each));
        }
        return ffi::SQLITE_OK;
    }
    let alone = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    let held = index.held.get(which.clone()).unwrap_or_default();
    let mine = |each: &usize| mapped.shared.get(*each).copied().unwrap_or_default();
    if !alone && which.clone().all(|each| mine(&each)) {
        return ffi::SQLITE_OK;
    }
    if held.iter().any(|held| if alone { *held != 0 } else { *held < 0 }) {
        return ffi::SQLITE_BUSY;
    }
    for each in which {
        let (Some(held), Some(shared), Some(exclusive)) =
            (index.held.get_mut(each), mapped.shared.get_mut(each), mapped.alone.get_mut(each))
        else {
            continue;
        };
        if alone {
            (*held, *exclusive) = (-1, true);
        } else {
            (*held, *shared) = (*held + 1, true);
        }
    }
    ffi::SQLITE_OK
}

fn release(shared: Option<&mut bool>, alone: Option<&mut bool>, held: Option<&mut i32>) {
    let (Some(shared), Some(alone), Some(held)) = (shared, alone, held) else { return };
    if std::mem::take(alone) {
        *held = 0;
    } else if std::mem::take(shared) {
        *held -= 1;
    }
}

unsafe extern "C" fn x_shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn x_shm_unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file of ours.
    unmap(unsafe { handle(file) });
    ffi::SQLITE_OK
}

/// The last to leave takes the index along, as the layer for Unix does: the next to come reads the log from its beginning.
fn unmap(handle: &mut Handle) {
    let Some(mut mapped) = handle.mapped.take() else { return };
    let mut inner = handle.state.lock();
    let mut index = mapped.index.lock();
    for each in 0..LOCKS {
        release(mapped.shared.get_mut(each), mapped.alone.get_mut(each), index.held.get_mut(each));
    }
    index.users = index.users.saturating_sub(1);
    if index.users == 0 && inner.life == handle.life {
        inner.indexes.remove(&handle.inode);
    }
}

fn code(result: Result<(), Trouble>, device: c_int, no_room: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Trouble::Device) => device,
        Err(Trouble::NoRoom) => no_room,
    }
}

unsafe extern "C" fn x_delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: a C string.
    let Some(path) = (unsafe { path_of(name) }) else { return ffi::SQLITE_IOERR_DELETE };
    let Some(state) = State::of(&path) else { return ffi::SQLITE_IOERR_DELETE };
    let mut inner = state.lock();
    match inner.unlink(&path) {
        Ok(true) => {}
        Ok(false) => return ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(_) => return ffi::SQLITE_IOERR_DELETE,
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    if sync_folder != 0 && inner.sync_folder(folder).is_err() {
        return ffi::SQLITE_IOERR_DIR_FSYNC;
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, to: *mut c_int) -> c_int {
    // SAFETY: a C string.
    let path = unsafe { path_of(name) };
    let length = path.as_deref().and_then(|path| {
        let state = State::of(path)?;
        let inner = state.lock();
        inner.image.find(path).map(|inode| inner.image.content(inode).len())
    });
    // The layer for Unix calls an empty file none, where existence is asked for.
    let there = length.is_some_and(|length| flags != ffi::SQLITE_ACCESS_EXISTS || length > 0);
    // SAFETY: an integer of SQLite's.
    unsafe { *to = c_int::from(there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    to: *mut c_char,
) -> c_int {
    // SAFETY: a C string; all paths of tests are whole already.
    let octets = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if octets.len() > room as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `to` has `room` octets, and the two do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(octets.as_ptr(), to.cast(), octets.len()) };
    ffi::SQLITE_OK
}

/// The layer for Unix: what every system has, and the disk nothing to do with.
fn unix() -> *mut ffi::sqlite3_vfs {
    // SAFETY: a C string; SQLite is initialised, or nobody would call.
    unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) }
}

unsafe extern "C" fn x_randomness(_: *mut ffi::sqlite3_vfs, count: c_int, to: *mut c_char) -> c_int {
    let unix = unix();
    // SAFETY: found or null; its function gets its own layer and what SQLite handed in.
    unsafe { unix.as_ref() }.and_then(|layer| layer.xRandomness).map_or(0, |random| unsafe { random(unix, count, to) })
}

unsafe extern "C" fn x_sleep(_: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    #[allow(clippy::disallowed_methods, reason = "SQLite waits for a lock; no async worker runs tests of files")]
    std::thread::sleep(std::time::Duration::from_micros(micros.max(0) as u64));
    micros
}

unsafe extern "C" fn x_current_time(_: *mut ffi::sqlite3_vfs, to: *mut f64) -> c_int {
    let unix = unix();
    // SAFETY: as above.
    unsafe { unix.as_ref() }.and_then(|layer| layer.xCurrentTime).map_or(1, |time| unsafe { time(unix, to) })
}

unsafe extern "C" fn x_current_time_int64(_: *mut ffi::sqlite3_vfs, to: *mut i64) -> c_int {
    let unix = unix();
    // SAFETY: as above.
    unsafe { unix.as_ref() }.and_then(|layer| layer.xCurrentTimeInt64).map_or(1, |time| unsafe { time(unix, to) })
}

unsafe extern "C" fn x_get_last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}
