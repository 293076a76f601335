# ruff: noqa: E501 (the lines are as long as the programs write them)
"""Output of runs that failed, of the kinds that the tools of this field print."""

from __future__ import annotations

TORCHRUN_RANK_2_DIES = """\
W0102 03:00:00.100000 4000 torch/distributed/run.py:792] Setting OMP_NUM_THREADS to 1
step 1 loss 2.31
step 2 loss 2.12
[rank2]: Traceback (most recent call last):
[rank2]:   File "/app/train.py", line 88, in <module>
[rank2]:     main()
[rank2]:   File "/app/train.py", line 71, in main
[rank2]:     loss = step(batch)
[rank2]:            ^^^^^^^^^^^
[rank2]:   File "/app/train.py", line 40, in step
[rank2]:     raise ValueError(f"token {token} is outside of the vocabulary")
[rank2]: ValueError: token 50300 is outside of the vocabulary
[rank0]: Traceback (most recent call last):
[rank0]:   File "/app/train.py", line 88, in <module>
[rank0]:     main()
[rank0]:   File "/app/train.py", line 74, in main
[rank0]:     dist.all_reduce(loss)
[rank0]: torch.distributed.DistBackendError: NCCL error in: NCCLUtils.cpp:77, remote process exited or there was a network error
[rank0]: ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.
[rank0]: Last error:
[rank0]: socketPollConnect: connect to 10.0.0.3<4242> returned Connection refused
W0102 03:00:09.100000 4000 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 4010 closing signal SIGTERM
W0102 03:00:09.200000 4000 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 4011 closing signal SIGTERM
E0102 03:00:09.900000 4000 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 2 (pid: 4012) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/usr/lib/python3/torch/distributed/run.py", line 883, in run
    elastic_launch(
  File "/usr/lib/python3/torch/distributed/launcher/api.py", line 270, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-01-02_03:00:09
  host      : gpu4
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 4010)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-01-02_03:00:08
  host      : gpu4
  rank      : 2 (local_rank: 2)
  exitcode  : 1 (pid: 4012)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
srun: error: gpu4: task 0: Exited with exit code 1
"""

TORCHRUN_SIGKILL = """\
loading the data
step 1 loss 2.31
[rank1]: Traceback (most recent call last):
[rank1]:   File "/app/train.py", line 74, in main
[rank1]:     dist.all_reduce(loss)
[rank1]: torch.distributed.DistBackendError: NCCL error in: NCCLUtils.cpp:77, remote process exited or there was a network error
W0102 03:00:09.100000 4000 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 4010 closing signal SIGTERM
E0102 03:00:09.900000 4000 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: -9) local_rank: 3 (pid: 4013) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/lib/python3/torch/distributed/launcher/api.py", line 270, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
====================================================
train.py FAILED
----------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
----------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-01-02_03:00:09
  host      : gpu4
  rank      : 11 (local_rank: 3)
  exitcode  : -9 (pid: 4013)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 4013
====================================================
"""

NCCL_WATCHDOG = """\
step 1580 loss 1.92
[rank3]:[E1206 18:44:12.715298746 ProcessGroupNCCL.cpp:632] [Rank 3] Watchdog caught collective operation timeout: \
WorkNCCL(SeqNum=1580, OpType=ALLREDUCE, NumelIn=4096, NumelOut=4096, Timeout(ms)=600000) ran for 600013 milliseconds before timing out.
[rank3]:[E1206 18:44:12.715588844 ProcessGroupNCCL.cpp:2271] [PG ID 0 PG GUID 0(default_pg) Rank 3]  failure detected by watchdog at work sequence id: 1580 PG status: last enqueued work: 1582, last completed work: 1579
[rank3]:[E1206 18:44:12.800000000 ProcessGroupNCCL.cpp:684] [Rank 3] To avoid data inconsistency, we are taking the entire process down.
terminate called after throwing an instance of 'c10::DistBackendError'
  what():  [PG ID 0 PG GUID 0(default_pg) Rank 3] Process group watchdog thread terminated with exception
Exception raised from checkTimeout at /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:635 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f10 in /usr/lib/libc10.so)
frame #1: c10d::ProcessGroupNCCL::WorkNCCL::checkTimeout(std::optional<long>) + 0x282 (0x7f20 in /usr/lib/libtorch_cuda.so)
frame #2: <unknown function> + 0xd3e95 (0x7f30 in /lib/x86_64-linux-gnu/libstdc++.so.6)

Exception raised from ncclCommWatchdog at /pytorch/torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp:1905 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f10 in /usr/lib/libc10.so)
frame #1: clone + 0x44 (0x7f40 in /lib/x86_64-linux-gnu/libc.so.6)

E1206 18:44:20.000000 4000 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: -6) local_rank: 3 (pid: 4013) of binary: /usr/bin/python3
"""

VLLM_ENGINE_DIES = """\
(APIServer pid=10) INFO 01-02 03:04:01 [api_server.py:1839] vLLM API server version 0.11.0
(EngineCore_0 pid=123) INFO 01-02 03:04:05 [core.py:77] Initializing a V1 LLM engine
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708] EngineCore failed to start.
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708] Traceback (most recent call last):
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708]   File "/opt/vllm/v1/engine/core.py", line 699, in run_engine_core
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708]     engine_core = EngineCoreProc(*args, **kwargs)
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708]                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
(EngineCore_0 pid=123) ERROR 01-02 03:04:06 [core.py:708] ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.
(EngineCore_0 pid=123) Process EngineCore_0:
(EngineCore_0 pid=123) Traceback (most recent call last):
(EngineCore_0 pid=123)   File "/usr/lib/python3.12/multiprocessing/process.py", line 314, in _bootstrap
(EngineCore_0 pid=123)     self.run()
(EngineCore_0 pid=123) ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.
(APIServer pid=10) Traceback (most recent call last):
(APIServer pid=10)   File "/opt/vllm/v1/engine/utils.py", line 732, in wait_for_engine_startup
(APIServer pid=10)     raise RuntimeError("Engine core initialization failed. "
(APIServer pid=10) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""

TRAINER_OUT_OF_MEMORY = """\
{'loss': 2.31, 'grad_norm': 1.1, 'learning_rate': 1e-05, 'epoch': 0.01}
Traceback (most recent call last):
  File "/app/sft.py", line 30, in <module>
    trainer.train()
  File "/usr/lib/python3/transformers/trainer.py", line 2245, in train
    return inner_training_loop(
           ^^^^^^^^^^^^^^^^^^^^
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1.2 GiB is free.
  1%|          | 10/1752 [00:31<1:21:50,  2.83s/it]
"""

CHAINED_EXCEPTIONS = """\
Traceback (most recent call last):
  File "/app/load.py", line 3, in load
    return cache[name]
           ~~~~~^^^^^^
KeyError: 'llama'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/load.py", line 9, in load
    open(path)
FileNotFoundError: [Errno 2] No such file or directory: '/data/llama.json'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/main.py", line 2, in <module>
    load("llama")
RuntimeError: cannot load the model
done
"""

MIXED_RANKS = """\
Traceback (most recent call last):
Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
  File "/app/train.py", line 3, in <module>
    main()
step 12 loss 1.2 on the other node
    main()
AssertionError: shapes differ
AssertionError: shapes differ
done
"""

PREFIXED_INTERLEAVED = """\
[rank0]: Traceback (most recent call last):
[rank1]: Traceback (most recent call last):
[rank0]:   File "/app/a.py", line 1, in f
[rank1]:   File "/app/a.py", line 1, in f
[rank1]:     g()
[rank0]:     g()
[rank1]: ValueError: one
[rank0]: ValueError: zero
step 2
"""

CUDA_ASSERT = """\
/pytorch/aten/src/ATen/native/cuda/Indexing.cu:1553: indexSelectLargeIndex: block: [12,0,0], thread: [3,0,0] Assertion `srcIndex < srcSelectDimSize` failed.
Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    loss.backward()
RuntimeError: CUDA error: device-side assert triggered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.

Exception raised from c10_cuda_check_implementation at /pytorch/c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f10 in /usr/lib/libc10.so)
frame #1: clone + 0x44 (0x7f40 in /lib/x86_64-linux-gnu/libc.so.6)

bye
"""

SEGMENTATION_FAULT = """\
step 3
Fatal Python error: Segmentation fault

Current thread 0x00007f1000000740 (most recent call first):
  File "/app/train.py", line 9 in forward
  File "/app/train.py", line 30 in <module>

Extension modules: numpy.core._multiarray_umath, torch._C (total: 20)
train.sh: line 3:  4242 Segmentation fault      (core dumped) python train.py
"""

DEEPSPEED_KILLED = """\
[2026-01-02 03:04:05,357] [INFO] [config.py:733:__init__] Config mesh_device None world_size = 2
[2026-01-02 03:05:27,879] [INFO] [launch.py:428:sigkill_handler] Killing subprocess 13266
[2026-01-02 03:05:27,885] [ERROR] [launch.py:434:sigkill_handler] ['/usr/bin/python3', '-u', 'main.py', '--local_rank=1'] exits with return code = -9
"""

SLURM_OUT_OF_MEMORY = """\
step 10
slurmstepd: error: Detected 1 oom_kill event in StepId=440.0. Some of the step tasks have been OOM Killed.
srun: error: gpu4: tasks 1-3: Out Of Memory
srun: Terminating StepId=440.0
slurmstepd: error: *** STEP 440.0 ON gpu4 CANCELLED AT 2026-01-02T03:05:27 ***
"""

JAVA_TRACE = """\
26/01/02 03:04:05 ERROR Executor: lost a task
Exception in thread "main" java.lang.IllegalStateException: no data
        at com.example.Reader.read(Reader.java:12)
        at com.example.Main.main(Main.java:3)
Caused by: java.io.IOException: closed
        at com.example.Reader.open(Reader.java:40)
        ... 2 more
done
"""

GO_TRACE = """\
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.load(...)
        /src/main.go:8
main.main()
        /src/main.go:12 +0x1d
exit status 2
"""

RICH_TRACEBACK = """\
╭───────────── Traceback (most recent call last) ─────────────╮
│ /app/train.py:12 in main                                    │
│                                                             │
│ ❱ 12     run()                                              │
╰─────────────────────────────────────────────────────────────╯
ValueError: bad value
done
"""

EXCEPTION_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/serve.py", line 12, in <module>
  |     asyncio.run(main())
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/serve.py", line 4, in load
    | ValueError: no model
    +------------------------------------
done
"""

SGLANG_SCHEDULER_DIES = """\
[2026-01-02 03:04:05 TP0] Load weight begin. avail mem=78.50 GB
[2026-01-02 03:04:06 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/opt/sglang/srt/managers/scheduler.py", line 2600, in run_scheduler_process
    scheduler = Scheduler(server_args, port_args)
RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.

[2026-01-02 03:04:06] Received sigquit from a child process. It usually means the child failed.
Killed
"""

RAY_TASK_FAILS = """\
(WorkerDict pid=812) step 1
Error executing job with overrides: ['data.size=4']
Traceback (most recent call last):
  File "/app/main_ppo.py", line 20, in main
    ray.get(runner.run.remote(config))
ray.exceptions.RayTaskError(ValueError): ray::TaskRunner.run() (pid=700, ip=10.0.0.2)
  File "/app/main_ppo.py", line 50, in run
    raise ValueError("batch size 4 is not divisible by 8")
ValueError: batch size 4 is not divisible by 8
"""

TEARDOWN_AFTER_FAILURE = """\
Exception ignored in: <function _MultiProcessingDataLoaderIter.__del__ at 0x7f10>
Traceback (most recent call last):
  File "/usr/lib/python3/torch/utils/data/dataloader.py", line 1477, in __del__
    self._shutdown_workers()
AttributeError: 'NoneType' object has no attribute 'is_alive'
Traceback (most recent call last):
  File "/app/train.py", line 3, in <module>
    import flash_attn
ModuleNotFoundError: No module named 'flash_attn'
"""

SPAWNED_PROCESS_FAILS = """\
Traceback (most recent call last):
  File "/app/train.py", line 60, in <module>
    mp.spawn(train, nprocs=4)
torch.multiprocessing.spawn.ProcessRaisedException:

-- Process 1 terminated with the following error:
Traceback (most recent call last):
  File "/app/train.py", line 12, in train
    torch.load(path)
PermissionError: [Errno 13] Permission denied: '/data/model.pt'
"""

JSON_SERVER_FAILS = """\
{"time": "2026-01-02T03:04:05Z", "level": "INFO", "message": "no error: CUDA out of memory is unlikely"}
{"time": "2026-01-02T03:04:06Z", "level": "WARNING", "message": "retry after Connection reset by peer"}
{"time": "2026-01-02T03:04:07Z", "level": "ERROR", "message": "request failed", "exc_info": "Traceback (most recent \
call last):\\n  File \\"/opt/serve.py\\", line 3, in run\\n    y = f(x)\\ntorch.OutOfMemoryError: CUDA out of memory. \
Tried to allocate 2.00 GiB."}
{"time": "2026-01-02T03:04:08Z", "level": "ERROR", "message": "engine is dead"}
"""
