//! The core decides and does nothing else; time, and errors without a type, stay in their places.

use crate::source::{PathUse, paths, tokens};
use crate::{File, assert_found, assert_none, guard_sources};

/// Total and pure: the same arguments give the same answer, on any machine and at any time.
const PURE: [&str; 8] = ["domain", "policy", "case", "page", "history", "posture", "harden", "doctor"];

/// Any of these in a path is I/O, time or chance. The time comes in as an argument, a file's text as a `&str`.
const IMPURE_NAMES: [&str; 11] = [
    "tokio",
    "reqwest",
    "hyper",
    "axum",
    "object_store",
    "rustix",
    "getrandom",
    "Clock",
    "SystemTime",
    "Instant",
    "futures",
];
const IMPURE_STD: [&str; 5] = ["fs", "env", "process", "thread", "os"];
/// What std::net has that is a value and opens nothing.
const PURE_NET: [&str; 5] = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "AddrParseError"];

/// Types with a `now` of their own that is the system's.
const SYSTEM_TIMES: [&str; 3] = ["Timestamp", "Zoned", "SystemTime"];
const CLOCK_FILE: &str = "src/clock.rs";

#[test]
fn the_core_does_no_io() {
    assert_none(&impurities(&guard_sources()));
}

#[test]
fn the_time_is_read_in_the_clock_only() {
    assert_none(&readings_of_the_time(&guard_sources()));
}

#[test]
fn errors_have_a_type_outside_the_commands() {
    assert_none(&untyped_errors(&guard_sources()));
}

#[test]
fn io_in_the_core_is_found() {
    let bad = [
        File::new("src/domain/event.rs", "use std::net::{IpAddr, TcpStream};\nuse std::{fmt, fs::File};"),
        File::new(
            "src/policy.rs",
            "// tokio::spawn\nfn f(clock: &dyn crate::clock::Clock) { azure_core::x() }",
        ),
        File::new("src/case/step.rs", "async fn f() {}"),
        File::new("src/case/tests.rs", "fn f() { std::fs::read_to_string(x); std::fs::write(x, y); }"),
        File::new("src/case/record.rs", "fn f() { std::fs::read_to_string(x); }"),
        File::new("src/azure.rs", "use tokio::net; use std::fs;"),
    ];
    assert_found(
        &impurities(&bad),
        &[
            "src/domain/event.rs:1: `std::net::TcpStream`",
            "src/domain/event.rs:2: `std::fs::File`",
            "src/policy.rs:2: `crate::clock::Clock`",
            "src/policy.rs:2: `azure_core::x`",
            "src/case/step.rs:1: `async`",
            "src/case/tests.rs:1: `std::fs::write`",
            "src/case/record.rs:1: `std::fs::read_to_string`",
        ],
    );
}

#[test]
fn a_second_clock_is_found() {
    let bad = [
        File::new(CLOCK_FILE, "jiff::Timestamp::now()"),
        File::new(
            "src/guard.rs",
            "let now = jiff::Timestamp::now();\nstd::time::SystemTime::now();\nclock.now();",
        ),
    ];
    assert_found(&readings_of_the_time(&bad), &["src/guard.rs:1: `jiff::Timestamp::now`", "src/guard.rs:2:"]);
}

#[test]
fn an_error_without_a_type_is_found() {
    let bad = [
        File::new("src/main.rs", "fn main() -> anyhow::Result<()> {}"),
        File::new("src/cli/check.rs", "use anyhow::Context;"),
        File::new("src/store.rs", "use anyhow::Context;"),
    ];
    assert_found(&untyped_errors(&bad), &["src/store.rs:1: `anyhow::Context`"]);
}

fn impurities(sources: &[File]) -> Vec<String> {
    let pure = sources.iter().filter(|file| PURE.iter().any(|module| is_in(file, module)));
    pure.flat_map(|file| {
        let asynchronous = tokens(&file.text).into_iter().filter(|t| t.text == "async");
        let asynchronous =
            asynchronous.map(|t| format!("{}:{}: `async` in the pure core", file.path, t.line));
        let is_impure = |path: &PathUse| is_impure(path) && !is_read_by_a_test(file, path);
        let impure = findings(file, is_impure, "is I/O, time or chance in the pure core");
        impure.into_iter().chain(asynchronous).collect::<Vec<_>>()
    })
    .collect()
}

fn is_impure(path: &PathUse) -> bool {
    let begins_with_azure_sdk = path.segments.first().is_some_and(|first| first.starts_with("azure_"));
    let net = path.starts_with(&["std", "net"]) && !PURE_NET.iter().any(|name| path.names(name));
    begins_with_azure_sdk
        || net
        || IMPURE_NAMES.iter().any(|name| path.names(name))
        || IMPURE_STD.iter().any(|name| path.starts_with(&["std", name]))
}

/// The core's tests may read the files that the project ships, to compare them with what is built in.
fn is_read_by_a_test(file: &File, path: &PathUse) -> bool {
    let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    is_test && ["read", "read_to_string", "read_dir"].iter().any(|read| path.ends_with(&["std", "fs", read]))
}

fn readings_of_the_time(sources: &[File]) -> Vec<String> {
    let elsewhere = sources.iter().filter(|file| file.path != CLOCK_FILE);
    let reads = |path: &PathUse| SYSTEM_TIMES.iter().any(|kind| path.ends_with(&[kind, "now"]));
    elsewhere.flat_map(|file| findings(file, reads, "reads the time outside the clock")).collect()
}

fn untyped_errors(sources: &[File]) -> Vec<String> {
    let typed = sources.iter().filter(|file| !is_in(file, "cli") && !is_in(file, "main"));
    typed
        .flat_map(|file| findings(file, |path| path.starts_with(&["anyhow"]), "outside cli/ and main.rs"))
        .collect()
}

fn is_in(file: &File, module: &str) -> bool {
    file.path == format!("src/{module}.rs") || file.path.starts_with(&format!("src/{module}/"))
}

fn findings(file: &File, is_bad: impl Fn(&PathUse) -> bool, complaint: &str) -> Vec<String> {
    let bad = paths(&file.text).into_iter().filter(|path| is_bad(path));
    bad.map(|path| format!("{}:{}: `{}` {complaint}", file.path, path.line, path.segments.join("::")))
        .collect()
}
