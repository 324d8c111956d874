//! What the documents show works: their policies are valid, and their links lead to files that exist. What is read instead of a text for
//! people says the same.

#![expect(clippy::expect_used, reason = "a test that can't go on has failed")]

use std::path::{Path, PathBuf};

use aks_stop_guard::policy::{DEFAULT_POLICIES, Policies, PolicyFile, SCHEMA};
use cedar_policy::SchemaFragment;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every document of the project: in its folder and in `docs/`.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = [PathBuf::from(ROOT), Path::new(ROOT).join("docs")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("the folder can be read"));
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let documents = paths.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    documents
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a document is text");
            (path, text)
        })
        .collect()
}

/// The indented blocks of a document that hold Cedar policies, each without its indentation.
fn policies(document: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in document.lines() {
        let code = line.strip_prefix("    ").or_else(|| line.trim().is_empty().then_some(""));
        match (code, blocks.last_mut()) {
            (Some(code), Some(block)) => block.push_str(&format!("{code}\n")),
            (Some(_) | None, _) => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| block.contains("@id(") && block.contains("action =="));
    blocks
}

/// Where a document's links to files of the project lead.
fn links(document: &str) -> Vec<&str> {
    let targets = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .filter_map(|target| target.split('#').next())
        .collect()
}

#[test]
fn policies_in_the_documents_are_valid_beside_the_default_set() {
    let mut seen = 0;
    for (path, text) in documents() {
        for example in policies(&text) {
            let example = PolicyFile { name: "example.cedar", text: &example };
            let loaded = Policies::load(&[DEFAULT_POLICIES, example]);
            assert!(loaded.is_ok(), "{}: {:?}", path.display(), loaded.err());
            seen += 1;
        }
    }
    assert!(seen >= 2, "README.md and docs/POLICY.md show policies, but only {seen} blocks were found");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let documents = documents();
    assert!(documents.iter().any(|(path, _)| path.ends_with("README.md")), "there is no README.md");
    for (path, text) in &documents {
        let folder = path.parent().expect("a file is in a folder");
        for link in links(text) {
            assert!(folder.join(link).exists(), "{}: `{link}` leads nowhere", path.display());
        }
    }
}

#[test]
fn examples_and_links_are_found_in_a_text() {
    let text = "See [a](docs/A.md#part), [b](https://example.invalid) and [c](#here).\n\n    \
                @id(\"x\")\n    permit (principal, action == Action::\"stop\", resource);\n\nEnd.\n\n    make test\n";
    assert_eq!(links(text), ["docs/A.md"]);
    assert_eq!(
        policies(text),
        ["\n@id(\"x\")\npermit (principal, action == Action::\"stop\", resource);\n\n"]
    );
}

#[test]
fn the_schema_that_cedar_reads_says_what_the_one_says_that_people_read() {
    const READ: &str = "src/policy/schema.json";
    let (schema, warnings) = SchemaFragment::from_cedarschema_str(SCHEMA.text).expect("it parses");
    assert_eq!(warnings.count(), 0);
    let json = format!("{:#}\n", schema.to_json_value().expect("it has a JSON form"));
    let path = Path::new(ROOT).join(READ);
    if std::env::var_os("SCHEMA").is_some_and(|wanted| wanted == "new") {
        std::fs::write(path, json).expect("it can be written");
        return;
    }
    let read = std::fs::read_to_string(path).expect("it can be read");
    assert!(
        read == json,
        "{READ} is made of policies/{}: `SCHEMA=new cargo test --test documents` writes it anew",
        SCHEMA.name
    );
}
