//! The graph of the top-level modules under src/: no circle, no arrow upwards.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{PathUse, paths};
use crate::{File, assert_found, assert_none, guard_sources};

/// What talks to the outside. None of them knows another, and only what is above them knows them.
const ADAPTERS: [&str; 3] = ["azure", "store", "incident"];

/// Each module with those it may use, from the bottom to the top; a module may only use what stands above it in this
/// list. A new module gets its line here first.
const MAY_USE: [(&str, &[&str]); 19] = [
    // Wrong versions of single rules, for tests that must find them.
    ("mutant", &[]),
    // The words of the guard's world. Uses nothing of ours.
    ("domain", &[]),
    ("policy", &["domain"]),
    ("case", &["domain", "policy", "mutant"]),
    // What HTML pages have in common. Knows nothing of the guard's world.
    ("page", &[]),
    // What the past says about policies: reports, no decisions.
    ("history", &["domain", "policy", "case", "page"]),
    // What Azure's answers say about how exposed a cluster is. Asks nothing itself.
    ("posture", &["domain"]),
    // What would mend that: which request, and whether it is needed. Sends nothing itself.
    ("harden", &["domain", "posture"]),
    // What answers say about whether a deployed guard works. Asks nothing itself.
    ("doctor", &["domain", "posture"]),
    // The one place that reads the system's time.
    ("clock", &[]),
    // How a line is written; says nothing about the guard's world but what is safe to print.
    ("telemetry", &["domain", "clock"]),
    ("azure", &["domain", "policy", "case", "posture", "harden", "clock", "mutant"]),
    ("store", &["domain", "policy", "case", "clock", "mutant"]),
    ("incident", &["domain", "policy", "case", "clock"]),
    // Settings, parsed once into values of the core and of the adapters: where they are, and what they are let in with.
    ("config", &["domain", "policy", "case", "azure", "store", "incident"]),
    // The only place where effects are ordered. Its settings are its own: it knows no environment.
    ("guard", &["domain", "policy", "case", "posture", "clock", "azure", "store", "incident", "mutant"]),
    // The only place that knows the custom handler's protocol.
    (
        "functions",
        &["domain", "policy", "case", "clock", "config", "telemetry", "azure", "store", "incident", "guard"],
    ),
    (
        "cli",
        &[
            "domain",
            "policy",
            "case",
            "page",
            "history",
            "posture",
            "harden",
            "doctor",
            "clock",
            "config",
            "telemetry",
            "azure",
            "store",
            "incident",
            "guard",
            "functions",
        ],
    ),
    (
        "lib",
        &[
            "domain",
            "policy",
            "case",
            "page",
            "history",
            "posture",
            "harden",
            "doctor",
            "clock",
            "config",
            "telemetry",
            "azure",
            "store",
            "incident",
            "guard",
            "functions",
            "cli",
            "mutant",
        ],
    ),
];

/// main.rs may use whatever lib.rs shows.
const LIBRARY_NAME: &str = "aks_stop_guard";

/// A use of one top-level module by another.
struct Arrow {
    from: String,
    to: String,
    path: String,
    line: usize,
}

#[test]
fn the_graph_of_modules_has_no_circle_and_no_arrow_upwards() {
    let sources = guard_sources();
    assert_none(&arrows_upwards(&sources));
    assert_none(&circles(&arrows(&sources)));
}

#[test]
fn the_table_of_modules_lists_them_from_the_bottom_to_the_top() {
    let mut below = BTreeSet::new();
    for (module, uses) in MAY_USE {
        assert!(
            uses.iter().all(|used| below.contains(used)),
            "`{module}` may use what stands below it in the table"
        );
        below.insert(module);
    }
    for (module, uses) in MAY_USE {
        let sees_adapters = ADAPTERS.iter().any(|adapter| uses.contains(adapter));
        let may = ["config", "guard", "functions", "cli", "lib"].contains(&module);
        assert!(may || !sees_adapters, "`{module}` may not see the adapters");
    }
}

#[test]
fn an_arrow_upwards_is_found_however_it_is_written() {
    let bad = [
        File::new(
            "src/lib.rs",
            "pub mod domain; pub mod policy; pub mod guard; pub mod azure; pub mod store; mod odd;",
        ),
        File::new("src/domain/event.rs", "use super::super::{guard::Intake, domain};"),
        File::new("src/policy.rs", "/// crate::guard\nuse crate::{\n  domain::X,\n  guard::Y,\n};"),
        File::new("src/policy/tests.rs", "mod inner { fn f() { super::super::super::guard::run() } }"),
        File::new("src/azure/client.rs", "fn f() { let x = \"crate::guard\"; crate::store::open() }"),
        File::new("src/azure/clusters.rs", "use aks_stop_guard::guard;"),
        File::new("src/store.rs", "use crate::*;"),
        File::new("src/odd.rs", ""),
        File::new("src/guard.rs", "use crate::{azure, domain, store}; use super::policy; use super::lost;"),
    ];
    assert_found(
        &arrows_upwards(&bad),
        &[
            "src/domain/event.rs:1: `domain` may not use `guard`",
            "src/policy.rs:4: `policy` may not use `guard`",
            "src/policy/tests.rs:1: `policy` may not use `guard`",
            "src/azure/client.rs:1: `azure` may not use `store`",
            "src/azure/clusters.rs:1: `azure` may not use `guard`",
            "src/store.rs:1: `crate::*` names no module",
            "src/odd.rs: `odd` has no line in MAY_USE",
            "src/guard.rs:1: `super::lost` names no module",
        ],
    );
}

#[test]
fn a_circle_is_found() {
    let bad = [
        File::new("src/a.rs", "use crate::b;"),
        File::new("src/b/deep.rs", "use crate::c::C;"),
        File::new("src/c.rs", "use super::a;"),
        File::new("src/d.rs", "use crate::a;"),
    ];
    assert_found(&circles(&arrows(&bad)), &["a -> b -> c -> a"]);
}

fn arrows_upwards(sources: &[File]) -> Vec<String> {
    let modules: BTreeSet<_> = sources.iter().map(|file| top_module(&file.path).0).collect();
    sources.iter().flat_map(|file| upwards_from(file, &modules)).collect()
}

fn upwards_from(file: &File, modules: &BTreeSet<String>) -> Vec<String> {
    let (module, _) = top_module(&file.path);
    if module == "main" {
        return Vec::new();
    }
    let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{}: `{module}` has no line in MAY_USE", file.path)];
    };
    let finding = |arrow: Arrow| {
        let place = format!("{}:{}", file.path, arrow.line);
        if !modules.contains(&arrow.to) {
            // A re-export at the root would hide which module is meant.
            Some(format!("{place}: `{}` names no module of the crate", arrow.path))
        } else if arrow.to == module || may_use.contains(&arrow.to.as_str()) {
            None
        } else {
            Some(format!("{place}: `{module}` may not use `{}` (`{}`)", arrow.to, arrow.path))
        }
    };
    arrows_from(file).into_iter().filter_map(finding).collect()
}

/// Each circle once, from its first module in alphabetical order.
fn circles(arrows: &[Arrow]) -> Vec<String> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows.iter().filter(|arrow| arrow.from != arrow.to) {
        graph.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let mut found = BTreeSet::new();
    for start in graph.keys() {
        walk(&graph, &mut vec![start], &mut found);
    }
    found.into_iter().collect()
}

/// Follows every way on from the end of `way` that goes through no module before its start in the alphabet.
fn walk<'a>(
    graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    way: &mut Vec<&'a str>,
    found: &mut BTreeSet<String>,
) {
    let (Some(start), Some(end)) = (way.first().copied(), way.last()) else { return };
    for next in graph.get(end).into_iter().flatten() {
        if *next == start {
            found.insert(format!("{} -> {start}", way.join(" -> ")));
        } else if *next > start && !way.contains(next) {
            way.push(next);
            walk(graph, way, found);
            way.pop();
        }
    }
}

fn arrows(sources: &[File]) -> Vec<Arrow> {
    sources.iter().flat_map(arrows_from).collect()
}

fn arrows_from(file: &File) -> Vec<Arrow> {
    let (from, depth) = top_module(&file.path);
    let arrow = |path: PathUse| {
        let to = root_module(&path, depth)?;
        Some(Arrow { from: from.clone(), to, path: path.segments.join("::"), line: path.line })
    };
    paths(&file.text).into_iter().filter_map(arrow).collect()
}

/// The top-level module a path leads to, if it goes by way of the crate's root.
fn root_module(path: &PathUse, depth: usize) -> Option<String> {
    let mut segments = path.segments.iter().skip_while(|s| *s == "self").peekable();
    let first = segments.peek()?.as_str();
    if first == "crate" || first == LIBRARY_NAME {
        return segments.nth(1).cloned();
    }
    let mut climbed = 0;
    while segments.next_if(|s| *s == "super").is_some() {
        climbed += 1;
    }
    let reaches_the_root = climbed > 0 && climbed == depth + path.inline_modules;
    if reaches_the_root { segments.next().cloned() } else { None }
}

/// The top-level module of a file and how many modules deep its code stands: `src/domain/event.rs` is 2 deep in `domain`.
fn top_module(path: &str) -> (String, usize) {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = if ["lib", "main"].contains(&inside) { 0 } else { inside.split('/').count() };
    (inside.split('/').next().unwrap_or_default().to_owned(), depth)
}
