//! The page is made of names that whoever stops clusters chose, and is sent on to others.

use proptest::prelude::*;
use simulator::corpus::corpus;

use super::*;

/// A month in which somebody chose every text that can be chosen.
fn chosen(text: &str) -> Month {
    let some = || Some(text.to_owned());
    let caller = Caller {
        object_id: some(),
        app_id: some(),
        upn: some(),
        name: some(),
        identity_resource: some(),
        ..alice()
    };
    let id = cluster("rg", "a");
    let mut stops: Vec<Stopped> =
        (1..=4).map(|day| undone(&id, &format!("2026-10-0{day}T10:00:00Z"), &caller, 7)).collect();
    let mut held = judged(opened(&id, "2026-10-20T09:00:00Z", &caller), false);
    held.timeline.push(TimelineEntry {
        at: held.opened_at,
        text: format!("waiting for people: a hold forbids starts: {text}"),
    });
    stops.push(Stopped { in_storm: true, ..Stopped::of(&id, &held) });
    month(stops)
}

/// The page's markup: what stands in angle brackets, attributes and all. Nothing that was chosen is in any of it.
fn markup(page: &str) -> Vec<&str> {
    page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect()
}

fn stays_a_text(text: &str) -> Result<(), String> {
    let (page, harmless) = (chosen(text).html().unwrap(), chosen("harmless").html().unwrap());
    let (found, expected) = (markup(&page), markup(&harmless));
    if found == expected { Ok(()) } else { Err(format!("{text:?} changed the page's markup")) }
}

#[test]
fn no_hostile_name_breaks_out_of_the_page() {
    let broken: Vec<String> =
        corpus().iter().filter_map(|hostile| stays_a_text(&hostile.text).err()).collect();
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn a_name_that_is_put_in_as_it_is_would_be_found() {
    let page = chosen("harmless").html().unwrap();
    let pasted = page.replace("harmless", "<b>harmless</b>");
    assert_ne!(markup(&page), markup(&pasted));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_name_at_all_does(text in "[\\PC<>\"'&/=\n]{0,60}") {
        prop_assert_eq!(stays_a_text(&text), Ok(()));
    }
}

#[test]
fn the_page_loads_nothing_runs_nothing_and_allows_its_own_style_only() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = eventful().html().unwrap();
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'");
    // The engine writes a slash in an attribute as an entity, which is a slash to whoever reads the attribute.
    assert!(page.replace("&#x2f;", "/").contains(&policy), "{policy}");
    for forbidden in ["<script", "style=", " on", "src=", "href=", "url(", "@import", "http://", "https://"] {
        let is_in_markup = markup(&page).iter().any(|tag| tag.contains(forbidden.trim_start_matches('<')));
        assert!(!is_in_markup && !style.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn every_chart_has_a_title_a_description_and_its_numbers_in_a_table() {
    let page = eventful().html().unwrap();
    for id in ["by-day", "by-time"] {
        assert!(
            page.contains(&format!("<svg role=\"img\" aria-labelledby=\"{id}-title {id}-desc\"")),
            "{id}"
        );
        assert!(page.contains(&format!("<title id=\"{id}-title\">")), "{id}");
        assert!(page.contains(&format!("<desc id=\"{id}-desc\">")), "{id}");
    }
    assert!(page.contains("<rect class=\"unauthorised\" "));
    assert!(page.contains("<title>2026-10-05: 2 stops not authorised</title>"));
    assert!(
        page.contains(
            "<th scope=\"row\">2026-10-05</th><td class=\"number\">0</td><td class=\"number\">2</td>"
        )
    );
}

#[test]
fn the_tags_of_the_page_are_balanced_and_its_ids_are_unique() {
    let page = eventful().html().unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in markup(&page).into_iter().filter(|tag| !tag.starts_with('!') && !tag.ends_with('/')) {
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None if ["meta", "br"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn a_page_without_stops_says_so_and_draws_nothing() {
    let page = month(Vec::new()).html().unwrap();
    assert!(page.contains("<p>0 stops of 0 clusters by 0 callers</p>") && !page.contains("<svg"));
}
