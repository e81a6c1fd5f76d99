"""Gradients of plain policies by the chain rule written out, in place of autograd's bookkeeping."""
