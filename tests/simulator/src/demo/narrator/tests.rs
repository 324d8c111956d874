use super::*;

fn line(subject: &str, text: &str, scene: Scene) -> Line {
    Line { subject: subject.to_owned(), at: Timestamp::UNIX_EPOCH, ..plain(scene, text.to_owned()) }
}

#[test]
fn what_happens_to_several_clusters_of_a_scene_is_one_line() {
    let told = merged(vec![
        line("a", "runs", Scene::Storm),
        line("b", "runs", Scene::Storm),
        line("c", "is stopped", Scene::Storm),
        line("d", "runs", Scene::Killed),
    ]);
    let told: Vec<(&str, &str)> =
        told.iter().map(|line| (line.subject.as_str(), line.text.as_str())).collect();
    assert_eq!(told, [("2 clusters", "runs"), ("c", "is stopped"), ("d", "runs")]);
}

#[test]
fn an_incident_has_a_line_of_its_own_even_if_two_say_the_same() {
    let card = |text: &str| Line { card: vec![text.to_owned()], ..line("", "people are told", Scene::Storm) };
    assert_eq!(merged(vec![card("1"), card("2")]).len(), 2);
}

#[test]
fn only_stop_events_and_closed_cases_of_the_guards_log_are_told() {
    let [cluster] = Scene::Unpermitted.clusters().try_into().unwrap();
    let said = |message: &str| {
        format!(
            r#"{{"time":"1970-01-01T00:00:01Z","message":"{message}","cluster":"{cluster}","outcome":"known already","who":"bob"}}"#
        )
    };
    let told = guards_line(&said("stop event")).unwrap();
    assert_eq!(told.text, "the guard hears of a stop by bob: known already");
    assert_eq!((told.scene, told.at.as_second()), (Some(Scene::Unpermitted), 1));
    assert_eq!(guards_line(&said("start")), None);
    assert_eq!(guards_line("not JSON"), None);
}
