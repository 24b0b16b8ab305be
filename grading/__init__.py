"""Grading: nbgrader as instructors know it, with the student's code locked up in a process of its own.

    course              where a class's files lie, and nbgrader's settings for them
    release             solutions/ -> exercises/
    limits, channel     what a submission may use, and how two processes exchange plain data
    sandbox, confine    the walls around students' code: once per unit, and once per submission
    seal                a copy of dgm_lib without the answers, for the child
    zygote, warden      a warm process, forked once per submission: the parent's side, its own side
    child               runs the student's cells, and answers calls
    caller              a `dgm_lib.checks` caller whose function lives in that process
    submission          what was handed in, read with every fault turned into a reason
    hygiene             what stems from a student, made fit to be shown
    verdict             (submission, release, seed, limits) -> points and feedback; a pure job
    results             verdicts kept on disk, so that nothing is graded twice
    exporter, preprocessor   how verdicts enter nbgrader
    importer            verdicts enter the gradebook: one writer, many submissions at a time
    workers, cluster    processes that grade: on this machine, or on a Dask cluster
    driver              a whole class in parallel
    report              the table: student × question
    insights, page      what a class got right and wrong, without names; as an HTML page
    doctor, probe       whether this machine can grade, and safely; each wall tried from inside
    demo                a class of made-up students, graded and compared with what they deserve

The parent is trusted: it holds the reference, the checks, the secret seed and the gradebook. The
child runs the student's code and answers calls with plain data, nothing else.
"""
