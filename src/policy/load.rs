//! From texts to a validated set, or to all that is wrong with them.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, EntityId, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, Schema, SlotId, Template,
    Validator,
};
use miette::{Diagnostic, SourceSpan};
use sha2::{Digest, Sha256};

use super::answer::{Determining, Effect};
use super::depth::{self, Bounded, NESTING_MAX, OPERATORS_MAX, TooDeep};
use super::entity::Vocabulary;
use super::fault::{Place, PolicyFault};
use super::hierarchy::{self, Hierarchy};
use super::memo::Memo;
use super::reads::ReadByQuestion;
use super::table::{self, Row};
use super::{Policies, PolicyFile, Ranked, SCHEMA, SCHEMA_JSON, Source, annotation, literal, validate};
use crate::domain::text::hex;

/// Most files: a folder with more was not meant as policies.
const FILES_MAX: usize = 64;
/// Most bytes of one file: a thousand policies of common size.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// Most policies of a set: each question asks them all, and a thousand take about a millisecond.
const POLICIES_MAX: usize = 1_000;
/// Bytes of a file that are parsed at once, up to the end of a policy: while Cedar parses, it takes fifty bytes for each.
const PART_BYTES: usize = 8 * 1024;
/// How the names of files with tables end; all others are Cedar.
const TABLE_SUFFIX: &str = ".toml";
/// More operators than a row's template has.
const ROW_OPERATORS: usize = 40;
/// Most faults that are told: somebody mends these and looks again.
const FAULTS_MAX: usize = 200;

/// A policy with its place.
struct Found {
    part: Part,
    span: SourceSpan,
    form: Form,
    determining: Determining,
}

/// What a policy was parsed with.
#[derive(Clone, Copy, Default)]
struct Part {
    file: usize,
    /// Where it begins in the file, in bytes: Cedar counts from there.
    start: usize,
}

/// How a policy came to be.
enum Form {
    /// Written in Cedar.
    Text(Box<Policy>),
    /// A row of an allow-list: a template and what fills it.
    Row(Box<Row>),
}

pub(super) fn load(files: &[PolicyFile<'_>]) -> Result<Policies, Vec<PolicyFault>> {
    let mut files = files.to_vec();
    files.sort_by_key(|file| file.name);
    let places: Vec<Place> = files.iter().map(|file| Place::new(file.name, file.text)).collect();
    let (validator, vocabulary) = built_in()?;

    let mut faults = Faults::default();
    let mut found = Vec::new();
    let mut hierarchy = Hierarchy::default();
    let mut operators = 0;
    for (number, (file, place)) in files.iter().zip(&places).enumerate() {
        if number >= FILES_MAX {
            faults.add(number, place.whole(&format!("more than {FILES_MAX} files"), None));
            break;
        }
        if file.text.len() > FILE_BYTES_MAX {
            faults.add(number, place.whole(&format!("the file has more than {FILE_BYTES_MAX} bytes"), None));
        } else if file.name.ends_with(TABLE_SUFFIX) {
            operators = operators.max(ROW_OPERATORS);
            let tables = table::read(file.text, place, &mut hierarchy);
            tables.faults.into_iter().for_each(|fault| faults.add(number, fault));
            found.extend(tables.rows.into_iter().map(|row| of_row(number, row)));
        } else {
            operators = operators.max(parse(number, file.text, place, &mut found, &mut faults));
        }
    }
    if let Some((extra, place)) = found.get(POLICIES_MAX).and_then(|x| Some((x, places.get(x.part.file)?))) {
        faults.add(
            extra.part.file,
            place.fault(extra.span, &format!("more than {POLICIES_MAX} policies"), None),
        );
        return Err(faults.sorted());
    }
    known_groups(&found, &places, &hierarchy, &mut faults);
    let (set, responses) = assemble(found, &places, &validator, &mut faults);
    if faults.is_empty() {
        let authorizer = Authorizer::new();
        let reads = ReadByQuestion::by(&set, &vocabulary);
        Ok(Policies {
            validator,
            vocabulary,
            hierarchy,
            authorizer,
            set,
            responses,
            reads,
            operators,
            digest: digest(&files),
            memo: Memo::default(),
        })
    } else {
        Err(faults.sorted())
    }
}

/// What is built in parses, a test holds that; a fault rather than a panic if it ever doesn't.
fn built_in() -> Result<(Validator, Vocabulary), Vec<PolicyFault>> {
    let place = Place::new(SCHEMA.name, SCHEMA.text);
    let schema = Schema::from_json_str(SCHEMA_JSON).map_err(|error| vec![place.cedar(0, &error)])?;
    let vocabulary = Vocabulary::new().map_err(|error| vec![place.cedar(0, error.as_ref())])?;
    Ok((Validator::new(schema), vocabulary))
}

/// Reads one file of Cedar. Returns the operators of its longest policy.
fn parse(file: usize, text: &str, place: &Place, found: &mut Vec<Found>, faults: &mut Faults) -> usize {
    let Bounded { operators, ends } = match depth::check(text) {
        Ok(bounded) => bounded,
        Err(too_deep) => {
            faults.add(file, too_deep_fault(place, too_deep));
            return 0;
        }
    };
    let mut start = 0;
    for end in ends {
        if end - start >= PART_BYTES {
            parse_part(Part { file, start }, text.get(start..end).unwrap_or_default(), place, found, faults);
            start = end;
        }
    }
    parse_part(Part { file, start }, text.get(start..).unwrap_or_default(), place, found, faults);
    operators
}

fn parse_part(part: Part, text: &str, place: &Place, found: &mut Vec<Found>, faults: &mut Faults) {
    let set = match PolicySet::from_str(text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                faults.add(part.file, place.cedar(part.start, error));
            }
            return;
        }
    };
    for template in set.templates() {
        let at = span(part, template.as_ref().loc());
        let help = "write the entity instead of `?principal` or `?resource`";
        faults.add(part.file, place.fault(at, "a template is no policy by itself", Some(help)));
    }
    let mut of_part: Vec<Found> =
        set.policies().map(|policy| examine(part, policy.clone(), place, faults)).collect();
    of_part.sort_by_key(|found| found.span.offset());
    found.extend(of_part);
}

fn too_deep_fault(place: &Place, too_deep: TooDeep) -> PolicyFault {
    match too_deep {
        TooDeep::Nested(at) => place.fault(
            SourceSpan::from((at, 1)),
            &format!("more than {NESTING_MAX} brackets inside one another"),
            Some("make several policies of it"),
        ),
        TooDeep::Long(at) => place.fault(
            SourceSpan::from((at, 1)),
            &format!("more than {OPERATORS_MAX} operators in one policy"),
            Some("make several policies of it, or write a list: [..].contains(principal)"),
        ),
    }
}

/// Reads what our part of a policy says: its annotations and the entities that it names.
fn examine(part: Part, policy: Policy, place: &Place, faults: &mut Faults) -> Found {
    let effect = match policy.effect() {
        cedar_policy::Effect::Permit => Effect::Permit,
        cedar_policy::Effect::Forbid => Effect::Forbid,
    };
    // Cedar's public interface gives annotations without their place; the syntax tree behind it has it.
    let syntax = policy.as_ref();
    let at = span(part, syntax.loc());
    let mut determining = determining(String::new(), effect);
    let mut has_id = false;
    for (name, value) in syntax.annotations() {
        has_id |= name.as_ref() == "id";
        if let Err(bad) = annotation::read(&mut determining, name.as_ref(), value.as_ref()) {
            let at = span(part, value.loc.as_ref());
            faults.add(part.file, place.fault(at, &bad.to_string(), Some(bad.help())));
        }
    }
    if !has_id {
        let help = "write @id(\"...\") before it: cases and incidents call the policy by its id";
        faults.add(part.file, place.fault(at, "the policy has no id", Some(help)));
    }
    for entity in policy.entity_literals() {
        if let Err(literal::Unmatchable { message, help }) = literal::check(&entity) {
            let at = place.find(at, entity.id().unescaped());
            faults.add(part.file, place.fault(at, &message, Some(&help)));
        }
    }
    Found { part, span: at, form: Form::Text(Box::new(policy)), determining }
}

fn of_row(file: usize, row: Row) -> Found {
    let determining = determining(row.id.clone(), Effect::Permit);
    Found { part: Part { file, start: 0 }, span: row.span, form: Form::Row(Box::new(row)), determining }
}

/// A policy that asks for nothing special.
fn determining(id: String, effect: Effect) -> Determining {
    Determining { id, effect, severity: None, after: None, notify: Vec::new(), incident: None }
}

/// A management group that nothing is known to be in would make a `forbid` that never forbids.
fn known_groups(found: &[Found], places: &[Place], hierarchy: &Hierarchy, faults: &mut Faults) {
    for Found { part, span, form, .. } in found {
        let Some(place) = places.get(part.file) else { continue };
        let ids: Vec<String> = match form {
            Form::Text(_) if !place.part(*span).1.contains("ManagementGroup") => Vec::new(),
            Form::Text(policy) => {
                let literals = policy.entity_literals().into_iter();
                let groups = literals.filter(|entity| entity.type_name().to_string() == "ManagementGroup");
                groups.map(|entity| entity.id().unescaped().to_owned()).collect()
            }
            Form::Row(row) if row.scope.0 == "ManagementGroup" => vec![row.scope.1.clone()],
            Form::Row(_) => Vec::new(),
        };
        for name in ids.iter().filter_map(|id| hierarchy::name_in(id)) {
            if !hierarchy.knows(&name.to_lowercase()) {
                let help = format!(
                    "say what is in it: [management-groups.{name}] in a *.toml file beside the policies"
                );
                let message = format!("nothing is known to be in the management group `{name}`");
                faults.add(part.file, place.fault(place.find(*span, name), &message, Some(&help)));
            }
        }
    }
}

/// Puts all policies into one set, under their own ids where they have one, and validates it.
fn assemble(
    found: Vec<Found>,
    places: &[Place],
    validator: &Validator,
    faults: &mut Faults,
) -> (PolicySet, BTreeMap<PolicyId, Ranked>) {
    let mut set = PolicySet::new();
    let mut responses: BTreeMap<PolicyId, Ranked> = BTreeMap::new();
    let mut parts: BTreeMap<PolicyId, Part> = BTreeMap::new();
    for (rank, Found { part, span, form, determining }) in found.into_iter().enumerate() {
        let Some(place) = places.get(part.file) else { continue };
        // A colon can't be in an `@id`, so a place clashes with none.
        let unnamed = || PolicyId::new(place.at(span));
        let mut id = if determining.id.is_empty() { unnamed() } else { PolicyId::new(&determining.id) };
        if let Some(first) = parts.get(&id).and_then(|first| places.get(first.file)) {
            let message = format!("the id `{}` is used twice", determining.id);
            let help = format!("it is the id of another policy in {}", first.name);
            faults.add(part.file, place.fault(span, &message, Some(&help)));
            id = unnamed();
        }
        let added = match form {
            Form::Text(policy) => set.add(policy.new_id(id.clone())).map_err(|error| error.to_string()),
            Form::Row(row) => link(&mut set, &row, id.clone()),
        };
        if let Err(message) = added {
            faults.add(part.file, place.fault(span, &message, None));
        }
        parts.insert(id.clone(), part);
        responses.insert(id, Ranked { rank, determining, source: Source::of(place, span) });
    }
    examine_all(&set, &parts, places, validator, faults);
    (set, responses)
}

/// Fills the template of a row with its caller and its scope. Rows with the same hours and the same end share one.
fn link(set: &mut PolicySet, row: &Row, id: PolicyId) -> Result<(), String> {
    let text = row.template();
    // A bracket can't be in an `@id`, and a place doesn't begin with one.
    let template = PolicyId::new(format!("(template) {text}"));
    if set.template(&template).is_none() {
        let parsed = Template::parse(Some(template.clone()), &text).map_err(|error| error.to_string())?;
        set.add_template(parsed).map_err(|error| error.to_string())?;
    }
    let fill = |(kind, id): &(&str, String)| {
        let kind = EntityTypeName::from_str(kind).map_err(|error| error.to_string())?;
        Ok::<_, String>(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
    };
    let slots =
        HashMap::from([(SlotId::principal(), fill(&row.who)?), (SlotId::resource(), fill(&row.scope)?)]);
    set.link(template, id, slots).map_err(|error| error.to_string())
}

/// Holds the set against the schema.
fn examine_all(
    set: &PolicySet,
    parts: &BTreeMap<PolicyId, Part>,
    places: &[Place],
    validator: &Validator,
    faults: &mut Faults,
) {
    let result = validate::validate(set, validator);
    let errors = result.validation_errors().map(|error| (error.policy_id(), error as &dyn Diagnostic));
    let warnings =
        result.validation_warnings().map(|warning| (warning.policy_id(), warning as &dyn Diagnostic));
    for (id, diagnostic) in errors.chain(warnings) {
        let part = parts.get(id).copied().unwrap_or_default();
        if let Some(place) = places.get(part.file) {
            faults.add(part.file, place.cedar(part.start, diagnostic));
        }
    }
}

/// Where in its file something is that Cedar found in a part.
fn span(part: Part, place: Option<&(impl Clone + Into<SourceSpan>)>) -> SourceSpan {
    let in_part: SourceSpan = place.cloned().map_or(SourceSpan::from(0..0), Into::into);
    SourceSpan::from((part.start + in_part.offset(), in_part.len()))
}

/// Names a set: a SHA-256 of names and texts, each behind its length so that no two sets run together.
fn digest(files: &[PolicyFile<'_>]) -> String {
    let mut digest = Sha256::new();
    for text in files.iter().flat_map(|file| [file.name, file.text]) {
        digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(text);
    }
    hex(&digest.finalize())
}

/// Faults on their way, with the number of their file.
#[derive(Default)]
struct Faults(Vec<(usize, PolicyFault)>);

impl Faults {
    fn add(&mut self, file: usize, fault: PolicyFault) {
        self.0.push((file, fault));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order of files, lines and columns, each once: Cedar tells a fault again for each question that a policy
    /// could answer.
    fn sorted(mut self) -> Vec<PolicyFault> {
        self.0.sort_by(|(file_a, a), (file_b, b)| {
            (file_a, a.line, a.column, &a.message).cmp(&(file_b, b.line, b.column, &b.message))
        });
        let mut faults: Vec<PolicyFault> = self.0.into_iter().map(|(_, fault)| fault).collect();
        faults.dedup();
        faults.truncate(FAULTS_MAX);
        faults
    }
}
