//! Builds the few lines of C that Rust can't express, and lets the linker leave Node's own symbols
//! open: the process that loads the addon has them.

fn main() {
    #[cfg(feature = "sqlite")]
    lock_shim();
    #[cfg(feature = "node")]
    {
        napi_build::setup();
        stay_loaded();
    }
}

/// Node closes the library with the last worker thread that uses it. The allocator's own end of a thread comes
/// after that, so the library's code must still be there.
#[cfg(feature = "node")]
fn stay_loaded() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// See `src/storage/sqlite/locking/mod.rs`.
#[cfg(feature = "sqlite")]
fn lock_shim() {
    const SOURCE: &str = "src/storage/sqlite/locking/fcntl.c";
    println!("cargo:rerun-if-changed={SOURCE}");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        cc::Build::new().file(SOURCE).warnings_into_errors(true).compile("media_credits_fcntl");
    }
}
