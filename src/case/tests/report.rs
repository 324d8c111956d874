//! What people are told, as they read it.

use super::*;

#[test]
fn an_incident_names_the_caller_but_not_all_their_groups() {
    let groups = (0..200).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect();
    let mut world = World::stopped_by(Caller { groups, ..mallory() });
    let stepped = world.sees(Arm::Stopped, 11);
    assert_eq!(stepped.told[0].caller.as_ref().unwrap().groups, Vec::<String>::new());
    assert_eq!(world.case().stops[0].caller.groups.len(), 200, "policies still see them");
}

#[test]
fn a_very_long_name_is_cut_where_people_read_it() {
    let upn = "\u{1F600}".repeat(256);
    let mut world = World::stopped_by(Caller { upn: Some(upn), ..mallory() });
    let stepped = world.sees(Arm::Stopped, 11);
    assert!(stepped.told[0].title.chars().count() < 200, "{}", stepped.told[0].title);
    assert!(world.case().timeline.iter().all(|line| line.text.chars().count() < 200));
}
