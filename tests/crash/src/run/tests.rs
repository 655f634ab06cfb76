//! The rig itself is tried: it must notice what it exists to notice.

use std::path::Path;

use super::*;

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A data directory put back to an earlier state has lost what was acknowledged since.
#[test]
fn notices_writes_that_are_lost() {
    let plan = Plan {
        binary: pinyon_server_process::find_binary().unwrap(),
        fault: Fault::Kill,
        crashes: 2,
        crashes_of_directory: 2,
        writers: 2,
        seed: 1,
    };
    let mut disk = Disk::new(plan.fault).unwrap();
    let mut random = Rng::with_seed(plan.seed);
    let mut histories: Vec<History> = (0..plan.writers).map(History::new).collect();
    let mut write_and_stop = |disk: &mut Disk, server, histories: &mut Vec<History>, counter| {
        let shared = Shared::counting_from(counter);
        write_until_end(disk, server, histories, &shared, &mut random, End::Stop).unwrap();
        shared
    };

    let server = start(&plan, &disk).unwrap();
    create_database(&Client::new(server.url())).unwrap();
    let shared = write_and_stop(&mut disk, server, &mut histories, 0);
    let data = disk.data_directory();
    let earlier = data.with_extension("earlier");
    copy_directory(&data, &earlier);

    let server = start(&plan, &disk).unwrap();
    let client = Client::new(server.url());
    let checked = check_database(&client, &mut histories, &shared, Scope::All).unwrap();
    assert!(checked.documents > 1, "nothing was written");
    let shared = write_and_stop(&mut disk, server, &mut histories, checked.counter);
    assert!(histories.iter().any(|history| history.acknowledged > 0));

    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&earlier, &data).unwrap();
    let server = start(&plan, &disk).unwrap();
    let client = Client::new(server.url());
    let lost = check_database(&client, &mut histories, &shared, Scope::All);
    let message = lost.unwrap_err().to_string();
    assert!(
        ["is missing", "should be", "is there", "the counter is"]
            .iter()
            .any(|part| message.contains(part)),
        "{message}"
    );
}
