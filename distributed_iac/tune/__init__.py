"""The only room that imports Ray: trainable, scheduler, job graph, callbacks, launch."""
