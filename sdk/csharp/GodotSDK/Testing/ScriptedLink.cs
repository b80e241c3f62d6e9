#nullable enable
using System;
using System.Threading.Tasks;

namespace GodotSDK.Testing
{
    /// <summary>A link whose other end is the test.</summary>
    internal sealed class ScriptedLink : ILink
    {
        private readonly ILinkListener listener;
        private readonly Action<string> sent;
        private bool isOver;

        public ScriptedLink(LinkRequest request, ILinkListener listener, Action<string> sent)
        {
            Request = request;
            this.listener = listener;
            this.sent = sent;
        }

        public LinkRequest Request { get; }

        public bool IsOpen { get; private set; }

        /// <summary>The code by which the client closed it; null if it has not.</summary>
        public int? ClosedWith { get; private set; }

        public bool IsConnecting => !IsOpen && !isOver;

        public bool Send(string text)
        {
            if (!IsOpen || isOver) return false;
            sent(text);
            return true;
        }

        public Task CloseAsync(int code, string reason)
        {
            if (!isOver) ClosedWith = code;
            isOver = true;
            return Task.CompletedTask;
        }

        public void Open()
        {
            IsOpen = true;
            listener.Opened();
        }

        public void Receive(string text)
        {
            if (!isOver) _ = listener.ReceivedAsync(text);
        }

        public void End(LinkEnd end)
        {
            if (isOver) return;
            isOver = true;
            listener.Ended(end);
        }
    }
}
