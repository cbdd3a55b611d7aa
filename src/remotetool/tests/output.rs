use crate::{metadata, remotetool::*};

fn a_run() -> RunRow {
    RunRow {
        remote_id: 17,
        state: RunWord::Pending,
        stage: "chip".into(),
        label: "demo.lanl.t1".into(),
        path_base: "neb://h01.0/remote/demo.lanl.t1".into(),
        job_id: None.into(),
        last_poll: "2014-05-02T01:10:44Z".parse().unwrap(),
        fault: 0,
    }
}

#[test]
fn listrun_prints_the_specs_example() {
    let text = render_runs(&[a_run()], Format::Metadata);
    insta::assert_snapshot!(text.replace(' ', "·"), @"
    remoteRun·MULTI

    remoteRun··METADATA··
    ···remote_id········S64·······17·············
    ···state············STR·······pending·········
    ···stage············STR·······chip············
    ···label············STR·······demo.lanl.t1····
    ···path_base········STR·······neb://h01.0/remote/demo.lanl.t1·
    ···job_id···········S64·······-1·············
    ···last_poll········TAI·······2014-05-02T01:10:44.000000
    ···fault············S16·······0··············
    END
    ");
}

#[test]
fn a_job_id_that_is_no_number_is_printed_as_text() {
    let ids = ["123", "123_4", "Moab.17", "0123"];
    let rows = ids.map(|id| RunRow {
        job_id: Some(id.to_owned()).into(),
        ..a_run()
    });
    let text = render_runs(&rows, Format::Metadata);
    let printed: Vec<_> = text
        .lines()
        .filter(|line| line.contains("job_id"))
        .map(|line| {
            line.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(printed, ["S64 123", "STR 123_4", "STR Moab.17", "STR 0123"]);
}

#[test]
fn listcomponent_prints_the_component_with_its_run() {
    let row = ComponentRow {
        remote_id: 17,
        stage_id: 4711,
        jobs: 0,
        state: ComponentWord::New,
        path_base: None,
        stage: "chip".into(),
        run_path_base: "runs/demo".into(),
    };
    let text = render_components(std::slice::from_ref(&row), Format::Metadata);
    insta::assert_snapshot!(text.replace(' ', "·"), @"
    remoteComponent·MULTI

    remoteComponent··METADATA··
    ···remote_id········S64·······17·············
    ···stage_id·········S64·······4711···········
    ···jobs·············S32·······0··············
    ···state············STR·······new·············
    ···path_base········STR·······NULL············
    ···stage············STR·······chip············
    ···run_path_base····STR·······runs/demo·······
    END
    ");
    assert_eq!(
        render_components(&[row], Format::Simple),
        "17 4711 0 new  chip runs/demo\n"
    );
}

#[test]
fn doneprep_prints_the_counts() {
    let row = DonePrepRow {
        remote_id: 17,
        path_base: "runs/a b".into(),
        stage: "chip".into(),
        done: 500,
        components: 500,
    };
    let text = render_done_prep(std::slice::from_ref(&row), Format::Metadata);
    insta::assert_snapshot!(text.replace(' ', "·"), @"
    remoteRun·MULTI

    remoteRun··METADATA··
    ···remote_id········S64·······17·············
    ···path_base········STR·······runs/a·b········
    ···stage············STR·······chip············
    ···Ndone············S64·······500············
    ···Njobs············S64·······500············
    END
    ");
    assert_eq!(
        render_done_prep(&[row], Format::Simple),
        "17 runs/a_b chip 500 500\n"
    );
}

#[test]
fn definebyquery_prints_what_it_bundled_or_would_bundle() {
    let row = DefinedRow {
        remote_id: 17,
        stage_id: 4711,
    };
    insta::assert_snapshot!(render_defined(&[row], Format::Metadata).replace(' ', "·"), @"
    remoteComponent·MULTI

    remoteComponent··METADATA··
    ···remote_id········S64·······17·············
    ···stage_id·········S64·······4711···········
    ···jobs·············S32·······0··············
    ···state············STR·······new·············
    ···path_base········STR·······NULL············
    END
    ");
    insta::assert_snapshot!(render_pretended(&[4711, 4712], Format::Metadata).replace(' ', "·"), @"
    newremoteComponents·MULTI

    newremoteComponents··METADATA··
    ···stage_id·········S64·······4711···········
    END

    newremoteComponents··METADATA··
    ···stage_id·········S64·······4712···········
    END
    ");
    assert_eq!(
        render_pretended(&[4711, 4712], Format::Simple),
        "4711\n4712\n"
    );
}

#[test]
fn only_listrun_prints_an_empty_line_where_there_is_nothing() {
    assert_eq!(render_runs(&[], Format::Metadata), "\n");
    assert_eq!(render_runs(&[], Format::Simple), "");
    assert_eq!(render_components(&[], Format::Metadata), "");
    assert_eq!(render_done_prep(&[], Format::Metadata), "");
    assert_eq!(render_defined(&[], Format::Metadata), "");
    assert_eq!(render_pretended(&[], Format::Metadata), "");
}

#[test]
fn what_is_printed_reads_back_as_rows() {
    let text = render_runs(&[a_run(), a_run()], Format::Metadata);
    let rows = metadata::rows(&text).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0].get("remote_id").and_then(metadata::Value::as_i64),
        Some(17)
    );
}
