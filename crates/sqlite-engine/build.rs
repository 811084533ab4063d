//! Compiles SQLite3MultipleCiphers; with the feature `sqlcipher` alone the real -sys crate compiles SQLCipher instead.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // With neither engine asked for, or SQLCipher alone, there is nothing to compile here.
    if std::env::var_os("CARGO_FEATURE_MULTIPLE_CIPHERS").is_none() {
        return;
    }
    let source = sqlite3mc_src::source_dir();
    let mut build = cc::Build::new();
    build
        .file(source.join(sqlite3mc_src::SOURCE_FILE))
        .include(source)
        .warnings(false)
        .define("SQLITE_THREADSAFE", "1")
        .define("SQLITE_TEMP_STORE", "2")
        .define("SQLITE_ENABLE_FTS5", None)
        // A check reads every page through it, also those that hold nothing now.
        .define("SQLITE_ENABLE_DBPAGE_VTAB", None)
        .define("SQLITE_ENABLE_COLUMN_METADATA", None)
        .define("SQLITE_ENABLE_UNLOCK_NOTIFY", None)
        .define("SQLITE_DEFAULT_FOREIGN_KEYS", "1")
        .define("SQLITE_DQS", "0")
        .define("SQLITE_OMIT_LOAD_EXTENSION", None)
        .define("SQLITE_SECURE_DELETE", None)
        // A commit into a log that has its size already then writes no file times: a third of the cost of its sync.
        .define("HAVE_FDATASYNC", "1")
        // Counting every allocation takes one mutex for all connections; nobody reads the count.
        .define("SQLITE_DEFAULT_MEMSTATUS", "0");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        // The engine's AES and ChaCha20 take their fast paths only when the compiler may emit these.
        build.flag_if_supported("-msse4.2").flag_if_supported("-maes");
    }
    build.compile("sqlite3mc");
}
