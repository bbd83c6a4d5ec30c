"""Trainer: the one training loop, for every method."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from trimorph.core.batch import Batch
from trimorph.methods.base import Method, Problem, Stage
from trimorph.methods.networks import ResidualMLP
from trimorph.training.checkpoint import load_checkpoint, problem_to_state, save_checkpoint
from trimorph.training.guard import NonFiniteGuard
from trimorph.training.images import Images
from trimorph.training.interrupt import Interrupted, Request, stop_requests
from trimorph.training.lagged import Lagged
from trimorph.training.latents import ENCODE_BATCH, encode_all
from trimorph.training.memory import keep_freed_memory
from trimorph.training.observer import LogFile, Observer, Silent
from trimorph.training.optimisers import Optimisers
from trimorph.training.own_particles import OwnParticles
from trimorph.training.plan import Plan
from trimorph.training.precision import Precision, autocast, choose_precision
from trimorph.training.processes import Processes
from trimorph.training.sampler import Sampler
from trimorph.training.schedule import learning_rate_factor
from trimorph.training.settings import TrainingSettings
from trimorph.training.state import deal_state, gather_state
from trimorph.training.tally import Tally

EPOCH_SECONDS = 5.0
"""Epochs that follow the last checkpoint within this time do without one of their own."""


class Trainer:
    """Fits a method to images and leaves checkpoints, latents, metrics and a log in a folder.

    It calls only ``method(batch, stage, progress)``, and ``method.encode`` at the end. ``stamp`` goes into
    every checkpoint as it is.
    """

    def __init__(
        self,
        method: Method,
        images: Images,
        settings: TrainingSettings,
        *,
        problem: Problem,
        folder: Path,
        processes: Processes | None = None,
        observer: Observer | None = None,
        stamp: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings, self.images, self.folder, self.problem = settings, images, folder, problem
        self.processes = processes or Processes(torch.device("cpu"))
        self.stamp = dict(stamp or {})
        if settings.threads:
            torch.set_num_threads(settings.threads)
        keep_freed_memory()
        for rows in method.particle_rows():
            rows.shard(self.processes.rank, self.processes.world)
        self.method = method.to(self.processes.device).train()
        if settings.compile:
            for module in method.modules():
                if isinstance(module, ResidualMLP):
                    module.compile()
        self.disk = method.disk.to(self.processes.device)
        self.sampler = Sampler(
            len(images),
            settings.batch_size or method.BATCH_SIZE,
            settings.seed,
            self.processes.rank,
            self.processes.world,
        )
        self.plan = Plan(method.stages, self.sampler.steps, method.disk)
        self.optimisers = Optimisers(method, clip_norm=settings.clip_norm, world=self.processes.world)
        self.guard = NonFiniteGuard(method, self.optimisers)
        listener = observer or Silent()
        self.observer = LogFile(folder / "log.txt", listener) if self.processes.first else Silent()
        self.tally = Tally(folder if self.processes.first else None, self.observer, self.plan)
        self.lagged = Lagged()
        self.precision: Precision | None = None
        self.step = 0
        self.saved_at = monotonic()

    def load(self, path: Path) -> None:
        """Take up the state of a checkpoint; it may come from another number of processes.

        These count other steps an epoch. Of an epoch under way, as many images are taken as seen as make
        whole steps; which ones were seen differs, so that some are seen twice in that epoch, and some not.
        """
        state = load_checkpoint(path)
        deal_state(self.method, self.optimisers, state, self.processes)
        self.plan = self.tally.plan = Plan(self.method.stages, self.sampler.steps, self.method.disk)
        position = state["position"]
        per_step = self.sampler.size * self.processes.world
        self.step = position["epoch"] * self.plan.steps + position["images"] // per_step
        self.precision = state["precision"]
        self.tally.load(state["tally"], epoch=position["epoch"], step=position["step"])
        self.observer.say(f"resumed from {path.name}: epoch {position['epoch']}, step {self.step}")

    @property
    def done(self) -> bool:
        """Whether the plan's last step is behind."""
        return self.step >= self.plan.total

    def fit(self) -> None:
        """Train from where the state is to the end of the plan.

        Errors: Interrupted after Ctrl-C or SIGTERM, when a checkpoint is written; InputError when losses are
        not finite; OSError when a file cannot be written.
        """
        if self.done:
            self.observer.say(f"nothing is left to do: all {self.plan.epochs} epochs are done")
            return
        if self.step == 0:
            self.tally.restart()
            for line in self.method.begin():
                self.observer.say(line)
        with stop_requests() as request:
            self._settle_precision()
            stage: Stage | None = None
            while self.step < self.plan.total:
                epoch = self.step // self.plan.steps
                if self.plan.stage(epoch) is not stage:
                    stage = self.plan.stage(epoch)
                    self._enter(stage)
                self._train_epoch(stage, epoch, request)
                self._end_epoch(stage, epoch + 1)
        self.observer.say(f"done: {self.plan.epochs} epochs, {self.step} steps, {self.tally.seconds:.0f} s")

    def _enter(self, stage: Stage) -> None:
        """Freeze what the stage leaves out, and begin it alike in all processes."""
        self.optimisers.freeze_all_but(stage.learning_rate)
        self.processes.copy_first_(self.optimisers.dense)
        disk = self.disk.limit(resolution=stage.resolution)
        groups = ", ".join(f"{name} {rate:g}" for name, rate in stage.learning_rate.items())
        self.observer.say(
            f"stage {stage.name}: {stage.epochs} epochs to {disk.resolution:.1f} Å; learning rates {groups}"
        )

    def _train_epoch(self, stage: Stage, epoch: int, request: Request) -> None:
        disk = self.disk.limit(resolution=stage.resolution)
        order = self.sampler.order(epoch)[(self.step % self.plan.steps) * self.sampler.size :]
        self.guard.begin_epoch()
        self.guard.keep()
        self.tally.begin(stage, disk)
        with closing(self.images.batches(order, self.sampler.size, limit=disk)) as batches:
            for batch in batches:
                self._learn(replace(batch.to(self.processes.device), disk=disk), stage, request)
                stop, due = self._settle()
                if self.guard.due:
                    self._settle(all_of_them=True)
                    self.guard.keep()
                if (stop or due) and self.step % self.plan.steps:
                    self._settle(all_of_them=True)
                    path = self._save(keep=False)
                    if stop:
                        self.observer.say(f"stopped at step {self.step}")
                        raise Interrupted(path)
        self._settle(all_of_them=True)

    def _learn(self, batch: Batch, stage: Stage, request: Request) -> None:
        """One step: the gradient of the loss, and the parameters moved along it."""
        settings = self.settings
        self._seed(self.step)
        terms = self._terms(batch, stage, self.precision or "float32")
        loss = torch.stack(list(terms.values())).sum()
        self.optimisers.zero_grad()
        loss.backward()
        self.processes.mean_gradients_(self.optimisers.dense)
        factor = learning_rate_factor(
            self.step, steps=self.plan.total, warm_up=settings.warm_up, final=settings.final_learning_rate
        )
        finite = self.optimisers.step(stage.learning_rate, factor) & loss.detach().isfinite()
        self.step += 1
        due = monotonic() - self.saved_at > 60 * settings.checkpoint_minutes
        signs = torch.tensor([request.stop, due], dtype=torch.float32).to(self.processes.device)
        flags = self.processes.largest_(torch.cat([signs, (~finite).float()[None]]))
        values = self.processes.mean_(torch.stack([term.detach().float() for term in terms.values()]))
        self.tally.launched(self.step, terms=list(terms), factor=factor, index=batch.index)
        self.lagged.put(torch.cat([flags, values]))

    def _terms(self, batch: Batch, stage: Stage, precision: Precision) -> dict[str, Tensor]:
        progress = self.step / self.plan.total
        with autocast(precision, self.processes.device):
            terms: dict[str, Tensor] = self.method(batch, stage, progress)
        return terms

    def _settle(self, *, all_of_them: bool = False) -> tuple[bool, bool]:
        """Read the numbers of the steps that are done: whether to stop, and whether to save."""
        stop = due = False
        images = self.sampler.size * self.processes.world
        for asked, late, bad, *values in self.lagged.ready(all_of_them=all_of_them):
            stop, due = stop or asked > 0, due or late > 0
            if bad:
                where = self.tally.skipped()
                self.lagged.drop()
                self.observer.say(f"not finite: {where}; skipped, back to the last good state")
                self.guard.failed(where)
                break
            self.tally.add(values, images=images, every=self.settings.metrics_every)
            self.guard.passed()
        return stop, due

    def _end_epoch(self, stage: Stage, done: int) -> None:
        """Write the epoch's metrics, a checkpoint, and from time to time the latents."""
        self.tally.end(epoch=done)
        if done == self.plan.epochs or self.plan.stage(done) is not stage:
            self._review(stage)
        keep = done % self.settings.checkpoint_every == 0 or done == self.plan.epochs
        if keep and self.method.latent_dim > 0:
            latents = encode_all(
                self.method,
                self.images,
                disk=self.disk.limit(resolution=stage.resolution),
                processes=self.processes,
                precision=self.precision or "float32",
                batch_size=max(self.sampler.size, ENCODE_BATCH),
            )
            if latents is not None:
                latents.save(self.folder / "latents" / f"{done:04d}.npz")
        waited = monotonic() - self.saved_at > min(60 * self.settings.checkpoint_minutes, EPOCH_SECONDS)
        if keep or self.processes.share(waited):
            self._save(keep=keep)

    def _review(self, stage: Stage) -> None:
        """Let the method look at all particles at the end of a stage, and follow what it plans then."""
        was_training = self.method.training
        survey = OwnParticles(self.images, self.disk, self.processes, self.sampler.size)
        for line in self.method.eval().review(stage, survey):
            self.observer.say(line)
        self.method.train(was_training)
        self.plan = self.tally.plan = Plan(self.method.stages, self.sampler.steps, self.method.disk)

    def _save(self, *, keep: bool) -> Path:
        epoch, step = divmod(self.step, self.plan.steps)
        state = gather_state(self.method, self.optimisers, self.processes)
        folder = self.folder / "checkpoints"
        self.saved_at = monotonic()
        if state is None:
            return folder
        images = step * self.sampler.size * self.processes.world
        state |= {
            "position": {"epoch": epoch, "images": images, "step": self.step},
            "precision": self.precision,
            "tally": self.tally.state(),
            "problem": problem_to_state(self.problem),
            "stamp": self.stamp,
        }
        return save_checkpoint(folder, state, epoch=epoch, step=step, keep=keep)

    def _settle_precision(self) -> None:
        """Choose the precision once a run: the first process measures, all follow."""
        if self.precision is not None or self.plan.total == 0:
            return
        stage = self.plan.stages[-1]
        order = self.sampler.order(0)[: self.sampler.size]
        self.optimisers.freeze_all_but(stage.learning_rate)
        with closing(self.images.batches(order, self.sampler.size, limit=self.disk)) as batches:
            batch = next(batches).to(self.processes.device)

        def trial(precision: Precision) -> None:
            torch.stack(list(self._terms(batch, stage, precision).values())).sum().backward()
            self.optimisers.zero_grad()

        chosen = choose_precision(self.settings.precision, device=self.processes.device, trial=trial)
        self.precision, reason = self.processes.share(chosen)
        where = f"{self.processes.world} x {self.processes.device.type}"
        self.observer.say(f"precision {reason}; on {where}")

    def _seed(self, step: int) -> None:
        seed = self.sampler.step_seed(step)
        torch.default_generator.manual_seed(seed)
        if self.processes.device.type == "cuda":
            torch.cuda.manual_seed(seed)
