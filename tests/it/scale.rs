//! A large organisation in virtual time: a region dies, single instances die, others say bye, and nobody cries wolf.
//! `cargo bench --bench scale` plays one ten times as large as the largest that is public.

mod organisation;

use organisation::Organisation;

#[test]
fn in_a_large_organisation_a_dead_region_is_one_incident_and_a_hundred_deaths_are_a_hundred() {
    let organisation = Organisation::new(20_000, 400);
    let report = organisation.play();
    eprintln!("{report}");
    organisation.check(&report);
}
